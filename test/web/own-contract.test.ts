/** The page of who replaces the contract: made by the README's steps, it has their form, and calls their service. */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { readPage } from "../../src/server/page.ts";
import { openPage, startBrowser } from "../support/browser.ts";
import { ROOT, run } from "../support/command.ts";
import { text } from "../support/page-tests.ts";
import { startServer } from "../support/server.ts";

const CONTRACT = `
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

test("the page follows a contract that was replaced, in Chromium", { timeout: 120_000 }, async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  await t.test("it has a form for each unary method, and calls it", (t) => callOwn(t, browser));
});

async function callOwn(t: TestContext, browser: Browser): Promise<void> {
  const folder = await makeOwn(t);
  const page = readPage(join(folder, "web/dist"));
  const { OrderService } = (await import(join(folder, "gen/service_pb.ts"))) as { OrderService: DescService };
  const { url } = await startServer(t, {
    page,
    routes(router) {
      router.service(OrderService, {
        order: ({ dishName, size, toGo, table }: Record<string, unknown>) => ({
          said: [dishName, size, toGo, table].join(" "),
        }),
        cancel: () => ({}),
      } as object);
    },
  });
  const { page: view } = await openPage(t, browser, url);
  const methods = view.getByLabel("Method");
  assert.deepEqual(await methods.locator("option").allInnerTexts(), [
    "shop.v1.OrderService.Order",
    "shop.v1.OrderService.Cancel",
  ]);
  assert.ok(await view.getByLabel("Connect GET").isDisabled());
  await view.getByLabel("dishName").fill("O'Kimbap 김밥");
  await view.getByLabel("size").selectOption("SIZE_LARGE");
  await view.getByLabel("toGo").check();
  await view.getByLabel("table").fill("-7");
  await view.getByText("Fields that hold lists, maps or messages are left out here.").waitFor();
  for (const protocol of ["Connect JSON", "Connect binary", "gRPC-Web"]) {
    await view.getByLabel(protocol).check();
    await view.getByRole("button", { name: "Call" }).click();
    await view.locator(".sizes tbody tr").nth(3).waitFor();
    assert.equal(await text(view.locator(".result .answer")), "Answer: said = O'Kimbap 김밥 1 true -7", protocol);
  }
  const curl = String(await view.locator(".lines pre", { hasText: /^curl / }).textContent());
  assert.deepEqual(JSON.parse((await run("sh", ["-c", curl])).stdout), { said: "O'Kimbap 김밥 1 true -7" });
  const program = String(await view.locator(".lines pre", { hasText: /^import \{ createClient/ }).textContent());
  const printed = await run("node", ["--input-type=module-typescript", "-"], { cwd: folder, input: program });
  assert.match(printed.stdout, /said: "O'Kimbap 김밥 1 true -7"/, printed.stderr);

  await methods.selectOption("shop.v1.OrderService.Cancel");
  await view.getByLabel("receipt").fill("not base64!");
  assert.match(await text(view.getByRole("alert")), /shop\.v1\.CancelRequest\.receipt/);
  await view.getByLabel("receipt").fill("AQI=");
  await view.getByLabel("Connect GET").check();
  await view.getByRole("button", { name: "Call" }).click();
  await view.getByText("a message with every field at its default").waitFor();
}

/** A copy of the repository with a contract of its own, generated and built. */
async function makeOwn(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "own-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of [
    "src",
    "gen",
    "web",
    "docs",
    "bench/results",
    "bench/newest.ts",
    "proto",
    "package.json",
    "buf.yaml",
    "buf.gen.yaml",
  ]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "proto/service.proto"), CONTRACT);
  const { code, stderr } = await run("npm", ["run", "generate"], { cwd: folder });
  assert.equal(code, 0, stderr);
  return folder;
}
