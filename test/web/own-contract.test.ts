/** Tests the page of servers with other services: it has other forms, and calls other methods. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { create, type DescMessage } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import type { Browser } from "playwright-core";
import { openPage } from "../support/browser.ts";
import { run } from "../support/command.ts";
import { compileOwn, generateOwn, type Implementation, type OwnContract, openOwn } from "../support/own-contract.ts";
import { chooseMethod, type PageTest, snippet, testInChromium, text, wholeTable } from "../support/page-tests.ts";
import { startServer } from "../support/server.ts";

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

/** A contract that generates and builds, but is unusual for a form. */
const ODD = `
edition = "2023";
package odd.v1;

import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/timestamp.proto";

service OddService {
  rpc Pick(Choice) returns (Choice);
  rpc Insist(Strict) returns (Strict);
  rpc Name(Members) returns (Members);
  rpc At(google.protobuf.Timestamp) returns (google.protobuf.Timestamp);
  rpc Measure(google.protobuf.Empty) returns (Measures);
  rpc List(google.protobuf.Empty) returns (Items) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc Pack(google.protobuf.Empty) returns (google.protobuf.Any);
  rpc PackOther(google.protobuf.Empty) returns (google.protobuf.Any);
}

message Choice {
  oneof kind {
    string name = 1;
    int32 id = 2;
  }
}
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_OTHER = 1;
}
message Measures {
  double ratio = 1;
  float most = 2;
}
message Items {
  repeated Members members = 1;
}
message Members {
  Kind value_of = 1;
  bytes to_string = 2;
  string constructor = 3;
}
message Strict {
  string reason = 1 [features.field_presence = LEGACY_REQUIRED];
}
`;

type OwnTest = readonly [name: string, body: (t: TestContext, browser: Browser, own: OwnContract) => Promise<void>];

const OF_THE_SHOP: readonly OwnTest[] = [
  [
    "the page has a form for each unary method, and calls it",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, {
        order: ({ dishName, size, toGo, table, wishes }: Record<string, unknown>) => ({
          said: [dishName, size, toGo, table, wishes].join(" "),
        }),
        cancel: () => ({}),
      });
      await page.locator(".function .name").waitFor();
      assert.deepEqual(await page.locator("nav .name").allInnerTexts(), ["Watch", "Order", "Cancel"]);
      assert.ok(await page.getByLabel("Connect GET").isDisabled());
      await page.getByLabel("dishName").fill("O'Kimbap 김밥");
      await page.getByLabel("size").selectOption("SIZE_LARGE");
      await page.getByLabel("toGo").check();
      await page.getByLabel("table").fill("-7");
      await page.getByRole("button", { name: "Add to wishes" }).click();
      await page.getByLabel("wishes, item 1", { exact: true }).fill("no egg");
      for (const protocol of ["Connect JSON", "Connect binary", "gRPC-Web"]) {
        await page.getByLabel(protocol).check();
        await page.getByRole("button", { name: "Call" }).click();
        await page.locator(".sizes th", { hasText: protocol }).waitFor();
        assert.equal(
          await text(page.locator(".result .response")),
          "Response: said = O'Kimbap 김밥 1 true -7 no egg",
          protocol,
        );
      }
      const curl = await snippet(page, "curl");
      assert.deepEqual(JSON.parse((await run("sh", ["-c", curl])).stdout), { said: "O'Kimbap 김밥 1 true -7 no egg" });
      const program = await snippet(page, "TypeScript");
      const folder = await generateOwn(t, SHOP);
      const printed = await run("node", ["--input-type=module-typescript", "-"], { cwd: folder, input: program });
      assert.match(printed.stdout, /said: "O'Kimbap 김밥 1 true -7/, printed.stderr);

      await chooseMethod(page, "shop.v1.OrderService/Cancel");
      await page.getByLabel("receipt").fill("not base64!");
      assert.match(await text(page.getByRole("alert")), /receipt invalid base64/);
      await page.getByLabel("receipt").fill("AQI=");
      await page.getByLabel("Connect GET").check();
      await page.getByRole("button", { name: "Call" }).click();
      await page.getByText("a message with every field at its default").waitFor();
      await wholeTable(page);
    },
  ],
  [
    "a click calls a method with side effects once, and one without in each protocol, as the page says",
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
      await page.getByText("so one click calls it once").waitFor();
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .response", { hasText: "said = 1" }).waitFor();
      await page.waitForLoadState("networkidle");
      assert.deepEqual(await rows.allInnerTexts(), ["Connect JSON", "gRPC"]);
      assert.equal(calls.order, 1);
      const greatest = page.getByRole("button", { name: "The largest numbers" });
      assert.equal(await greatest.count(), 1);
      await chooseMethod(page, "shop.v1.OrderService/Cancel");
      await page.getByText("so one click calls it in each protocol").waitFor();
      assert.equal(await greatest.count(), 0, "Cancel is given no number");
      await page.getByRole("button", { name: "Call" }).click();
      await rows.nth(4).waitFor();
      assert.equal(calls.cancel, 4);
    },
  ],
  [
    "the size of a response that the browser decoded is marked, and a long text is shortened everywhere",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, {
        order: ({ dishName }: { dishName: string }) => ({ said: dishName }),
      });
      const rows = page.locator(".sizes tbody th");
      const call = page.getByRole("button", { name: "Call" });
      await call.click();
      await rows.first().waitFor();
      assert.deepEqual(await rows.allInnerTexts(), ["Connect JSON", "gRPC"]);
      await page.getByLabel("dishName").fill("soup".repeat(2_000));
      await call.click();
      await rows.filter({ hasText: "decompressed by the browser: it was received in another size" }).waitFor();
      const shown = (await page.locator(".exchange").textContent()) ?? "";
      assert.ok(shown.length < 12_000, `a text of 8,000 characters takes ${shown.length}`);
      await page.getByText("The whole response as JSON").click();
      const whole = await page.getByLabel("The whole response as JSON").inputValue();
      assert.deepEqual(JSON.parse(whole), { said: "soup".repeat(2_000) });
    },
  ],
];

const WITHOUT_SCHEMA: OwnTest = [
  "a page without its schema says so, and loads it at the next try",
  async (t, browser, own) => {
    const { page, takeProblems } = await openOwn(t, browser, own, {});
    for (const [fulfill, problem] of [
      [undefined, "Failed to fetch"],
      [{ status: 404 }, "load the schema: the server responded with status 404"],
      [{ body: "x" }, ""],
    ] as const) {
      await page.route("**/-/schema", (route) => (fulfill === undefined ? route.abort() : route.fulfill(fulfill)));
      await page.reload();
      const alert = page.getByRole("alert");
      await alert.waitFor();
      assert.match(
        await text(alert),
        /^The schema of the services could not be loaded\. Is the server still running\? ./,
      );
      assert.ok((await text(alert)).endsWith(problem));
      await page.unroute("**/-/schema");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByLabel("dishName").waitFor();
    }
    for (const each of await takeProblems()) assert.match(each, /^error: Failed to load resource/);
  },
];

const OF_THE_ODD: readonly OwnTest[] = [
  [
    "methods are in the order of the file, so that the first one is that of the server's commands",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, {});
      await page.locator(".function .name").waitFor();
      const names = await page.locator("nav .name").allInnerTexts();
      assert.deepEqual([names[0], names.at(-1)], ["Pick", "PackOther"]);
      assert.equal(await text(page.locator(".function .name")), "odd.v1.OddService.Pick");
      const lines = await (await fetch(page.url())).text();
      assert.match(lines, /odd\.v1\.OddService\/Pick/);
    },
  ],
  [
    "an input that is not a message is rejected before anything is sent, and the page keeps working",
    async (t, browser, own) => {
      const sent: unknown[] = [];
      const { page } = await openOwn(t, browser, own, {
        pick({ kind }: { kind: unknown }) {
          sent.push(kind);
          return { kind };
        },
      } as Implementation);
      const call = page.getByRole("button", { name: "Call" });
      const greatest = page.getByRole("button", { name: "The largest numbers" });
      assert.equal(await greatest.count(), 0, "the set field of the oneof is the name, which is not a number");
      await call.click();
      await page.locator(".result .response", { hasText: "name = name" }).waitFor();
      await page.getByLabel("name").fill("  two spaces  ");
      await call.click();
      await page.locator(".result .response", { hasText: "name =   two spaces" }).waitFor();
      await page.getByLabel("Message as JSON").fill('{"name": "x", "id": 5}');
      assert.match(await text(page.getByRole("alert")), /before it sent anything: .*oneof set multiple times/);
      assert.ok(await call.isDisabled());
      assert.equal(await page.locator(".snippets").count(), 0);
      await page.getByLabel("id").press("Enter");
      await page.getByLabel("kind").selectOption("id");
      await greatest.click();
      await page.locator(".result .response", { hasText: `id = ${2 ** 31 - 1}` }).waitFor();
      assert.deepEqual(sent, [
        { case: "name", value: "name" },
        { case: "name", value: "  two spaces  " },
        { case: "id", value: 2 ** 31 - 1 },
      ]);
      await chooseMethod(page, "odd.v1.OddService/Insist");
      await page.getByRole("button", { name: "Unset reason" }).click();
      assert.match(await text(page.getByRole("alert")), /before it sent anything: .*reason/);
      assert.ok(await call.isDisabled());
      assert.ok(await page.getByRole("button", { name: "A truncated message" }).isDisabled());
    },
  ],
  [
    "fields may have the names of members of every object",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, { name: (request: object) => request });
      await chooseMethod(page, "odd.v1.OddService/Name");
      await page.getByLabel("valueOf").selectOption("KIND_OTHER");
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .response", { hasText: "valueOf = KIND_OTHER, constructor = constructor" }).waitFor();
    },
  ],
  [
    "NaN and infinity are shown as their names",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, { measure: () => ({ ratio: NaN, most: -Infinity }) });
      await chooseMethod(page, "odd.v1.OddService/Measure");
      await page.getByLabel("Connect binary").check();
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .response", { hasText: "ratio = NaN, most = -Infinity" }).waitFor();
      const values = page.getByLabel("Response", { exact: true }).locator(".values li");
      assert.deepEqual(await values.allInnerTexts(), ["ratio = NaN", "most = -Infinity"]);
    },
  ],
  [
    "a large response shows its first parts, the number of further bytes, and its size",
    async (t, browser, own) => {
      const members = Array.from({ length: 20_000 }, (_, i) => ({ constructor$: `member ${i}` }));
      const { page } = await openOwn(t, browser, own, { list: () => ({ members }) });
      await chooseMethod(page, "odd.v1.OddService/List");
      for (const protocol of ["Connect JSON", "gRPC-Web"]) {
        await page.getByLabel(protocol).check();
        await page.getByRole("button", { name: "Call" }).click();
        await wholeTable(page);
        const response = page.getByLabel("Response", { exact: true });
        assert.equal(await response.locator(".part").count(), 500);
        assert.match(await text(response), /And \d{5,} bytes more\./);
        assert.ok((await text(page.locator(".result .response"))).length < 400);
      }
      for (const size of (await page.locator(".sizes td:last-child .count").allInnerTexts()).map(Number)) {
        assert.ok(size > 200_000, `${size} bytes`);
      }
    },
  ],
  [
    "a message type of protobuf's own is sent with its defaults, and its response is shown",
    async (t, browser, own) => {
      const { page } = await openOwn(t, browser, own, { at: (request: object) => request });
      await chooseMethod(page, "odd.v1.OddService/At");
      assert.equal(await page.getByLabel("Timestamp", { exact: true }).last().inputValue(), "1970-01-01T00:00:00Z");
      await page.getByRole("button", { name: "Call" }).click();
      await page.locator(".result .response", { hasText: '"1970-01-01T00:00:00Z"' }).waitFor();
    },
  ],
  [
    "an Any in a response is shown in JSON if the contract has its type, and as an error otherwise",
    async (t, browser, own) => {
      const kind = { case: "id", value: 5 };
      const [choice] = own.service.file.messages as [DescMessage];
      const { page } = await openOwn(t, browser, own, {
        pack: () => anyPack(choice, create(choice, { kind } as Record<string, unknown>)),
        packOther: () => anyPack(DurationSchema, create(DurationSchema)),
      });
      const answer = page.locator(".result .response");
      for (const [method, protocol, expected] of [
        ["Pack", "Connect JSON", / id = 5, @type = type\.googleapis\.com\/odd\.v1\.Choice$/],
        ["Pack", "Connect binary", / id = 5, @type = type\.googleapis\.com\/odd\.v1\.Choice$/],
        ["PackOther", "gRPC-Web", /google\.protobuf\.Duration.* is not in the type registry/],
      ] as const) {
        await chooseMethod(page, `odd.v1.OddService/${method}`);
        await page.getByLabel(protocol).check();
        await page.getByRole("button", { name: "Call" }).click();
        await answer.waitFor();
        assert.match(await text(answer), expected);
      }
    },
  ],
  [
    "choosing another method discards a call in flight",
    async (t, browser, own) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { page } = await openOwn(t, browser, own, { pick: () => promise.then(() => ({})) });
      await page.getByRole("button", { name: "Call" }).click();
      const result = page.locator(".result");
      await result.getByText("Calling…").waitFor();
      await chooseMethod(page, "odd.v1.OddService/Insist");
      await page.getByLabel("reason", { exact: true }).waitFor();
      assert.deepEqual([await text(result), await result.getAttribute("aria-busy")], ["", "false"]);
      resolve();
      await page.waitForLoadState("networkidle");
      assert.equal(await text(result), "");
    },
  ],
];

/** Returns the tests of the page for a contract. */
function withContract(contract: string, service: string, tests: readonly OwnTest[]): PageTest[] {
  return tests.map(([name, body]) => [
    name,
    (t, browser, files) => body(t, browser, compileOwn(t, contract, service, files)),
  ]);
}

testInChromium("the page follows the services of the server", [
  ...withContract(SHOP, "shop.v1.OrderService", [...OF_THE_SHOP, WITHOUT_SCHEMA]),
  ...withContract(ODD, "odd.v1.OddService", OF_THE_ODD),
  [
    "a server without a service of its own has a page that says so",
    async (t, browser, files) => {
      const { url } = await startServer(t, { page: files, routes: () => {} });
      const { page } = await openPage(t, browser, url);
      await page.getByText("the server does not have any of its own").waitFor();
    },
  ],
]);
