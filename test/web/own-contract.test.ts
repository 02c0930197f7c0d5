/** The page of who replaces the contract: made by the README's steps, it has their form, and calls their service. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Browser } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import { run } from "../support/command.ts";
import { makeOwn, type OwnContract, openOwn } from "../support/own-contract.ts";
import { text } from "../support/page-tests.ts";

const SHOP = `
syntax = "proto3";
package shop.v1;

service OrderService {
  rpc Watch(OrderRequest) returns (stream OrderResponse);
  rpc Order(OrderRequest) returns (OrderResponse);
  rpc Cancel(CancelRequest) returns (CancelResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
}

enum Size {
  SIZE_UNSPECIFIED = 0;
  SIZE_LARGE = 1;
}

message OrderRequest {
  string dish_name = 1;
  Size size = 2;
  bool to_go = 3;
  sint64 table = 4;
  repeated string wishes = 5;
}
message OrderResponse {
  string said = 1;
}
message CancelRequest {
  bytes receipt = 1;
}
message CancelResponse {}
`;

type OwnTest = readonly [name: string, body: (t: TestContext, browser: Browser, own: OwnContract) => Promise<void>];

const OF_THE_SHOP: readonly OwnTest[] = [
  [
    "it has a form for each unary method, and calls it",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, {
        order: ({ dishName, size, toGo, table }: Record<string, unknown>) => ({
          said: [dishName, size, toGo, table].join(" "),
        }),
        cancel: () => ({}),
      });
      const methods = page.getByLabel("Method");
      assert.deepEqual(await methods.locator("option").allInnerTexts(), [
        "shop.v1.OrderService.Order",
        "shop.v1.OrderService.Cancel",
      ]);
      assert.ok(await page.getByLabel("Connect GET").isDisabled());
      await page.getByLabel("dishName").fill("O'Kimbap 김밥");
      await page.getByLabel("size").selectOption("SIZE_LARGE");
      await page.getByLabel("toGo").check();
      await page.getByLabel("table").fill("-7");
      await page.getByText("Fields that hold lists, maps or messages are left out here.").waitFor();
      for (const protocol of ["Connect JSON", "Connect binary", "gRPC-Web"]) {
        await page.getByLabel(protocol).check();
        await page.getByRole("button", { name: "Call" }).click();
        await page.locator(".sizes th", { hasText: protocol }).waitFor();
        assert.equal(await text(page.locator(".result .answer")), "Answer: said = O'Kimbap 김밥 1 true -7", protocol);
      }
      const curl = String(await page.locator(".lines pre", { hasText: /^curl / }).textContent());
      assert.deepEqual(JSON.parse((await run("sh", ["-c", curl])).stdout), { said: "O'Kimbap 김밥 1 true -7" });
      const program = String(await page.locator(".lines pre", { hasText: /^import \{ createClient/ }).textContent());
      const printed = await run("node", ["--input-type=module-typescript", "-"], { cwd: own.folder, input: program });
      assert.match(printed.stdout, /said: "O'Kimbap 김밥 1 true -7"/, printed.stderr);

      await methods.selectOption("shop.v1.OrderService.Cancel");
      await page.getByLabel("receipt").fill("not base64!");
      assert.match(await text(page.getByRole("alert")), /shop\.v1\.CancelRequest\.receipt/);
      await page.getByLabel("receipt").fill("AQI=");
      await page.getByLabel("Connect GET").check();
      await page.getByRole("button", { name: "Call" }).click();
      await page.getByText("a message with every field at its default").waitFor();
    },
  ],
  [
    "a click calls a method that may have side effects once, and one that has none in each protocol, as the page says",
    async (t, browser, own) => {
      const calls = { order: 0, cancel: 0 };
      const { page } = await openOwn(t, browser, own, {
        order: () => ({ said: String(++calls.order) }),
        cancel() {
          calls.cancel++;
          return {};
        },
      });
      const rows = page.locator(".sizes tbody th");
      await page.getByText("so a click calls it once").waitFor();
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .answer", { hasText: "said = 1" }).waitFor();
      await page.waitForLoadState("networkidle");
      assert.deepEqual(await rows.allInnerTexts(), ["Connect JSON", "gRPC"]);
      assert.equal(calls.order, 1);
      await page.getByLabel("Method").selectOption("shop.v1.OrderService.Cancel");
      await page.getByText("so a click calls it in each protocol").waitFor();
      await page.getByRole("button", { name: "Call" }).click();
      await rows.nth(4).waitFor();
      assert.equal(calls.cancel, 4);
    },
  ],
];

test("the page follows a contract that was replaced, in Chromium", { timeout: 120_000 }, async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const shop = await makeOwn(t, SHOP, "OrderService");
  for (const [name, body] of OF_THE_SHOP) await t.test(name, (t) => body(t, browser, shop));
});
