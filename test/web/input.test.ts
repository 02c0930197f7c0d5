/** Tests the input of a method in the browser: the form, the editor, keys, focus and accessibility. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createRegistry, type DescMessage, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import type { Browser, Page as BrowserPage, Locator } from "playwright-core";
import type { Page } from "../../src/server/site/page.ts";
import type { OpenPage } from "../support/browser.ts";
import { compileOwn, openOwn } from "../support/own-contract.ts";
import { assertAccessible, buildFiles, type PageTest, testInChromium, text } from "../support/page-tests.ts";

const ORDER = `
syntax = "proto3";
package shop.v1;

import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

service OrderService {
  rpc Order(OrderRequest) returns (OrderResponse);
}
enum Size {
  SIZE_UNSPECIFIED = 0;
  SIZE_SMALL = 1;
  SIZE_LARGE = 2;
}
message Address {
  string street = 1;
  string city = 2;
  optional int32 floor = 3;
}
message Dish {
  string dish = 1;
  int32 quantity = 2;
  Size size = 3;
  repeated string wishes = 4;
  repeated Dish sides = 5;
}
message Card {
  string number = 1;
}
message OrderRequest {
  string customer = 1;
  Address address = 2;
  repeated Dish dishes = 3;
  map<string, int32> vouchers = 4;
  map<int64, Address> branches = 5;
  google.protobuf.Timestamp deliver_at = 6;
  google.protobuf.Duration patience = 7;
  oneof payment {
    Card card = 8;
    bool cash = 9;
    int32 points = 10;
  }
  optional bool gift = 11;
  optional string note = 12;
  int64 total = 13;
  double tip = 14;
  google.protobuf.Struct extra = 15;
  google.protobuf.Value anything = 16;
  google.protobuf.StringValue nick = 17;
  bytes receipt = 18;
  Size size = 19;
}
message OrderResponse {
  string said = 1;
}
`;

interface Opened extends OpenPage {
  /** The inputs that the server has received, in JSON. */
  readonly received: JsonValue[];
  readonly editor: Locator;
  readonly call: Locator;
}

async function open(t: TestContext, browser: Browser, files: Page, options = {}): Promise<Opened> {
  const own = compileOwn(t, ORDER, "shop.v1.OrderService", files);
  const received: JsonValue[] = [];
  const input = own.service.method.order?.input as DescMessage;
  const registry = createRegistry(own.service.file);
  const opened = await openOwn(
    t,
    browser,
    own,
    {
      order(request: Message) {
        received.push(toJson(input, request, { registry }));
        return { said: String(received.length) };
      },
    },
    options,
  );
  const { page } = opened;
  const editor = page.locator(".editor textarea");
  return { ...opened, received, editor, call: page.locator("form .primary") };
}

/** Waits for the response with this number. */
async function nextResponse(page: BrowserPage, number: number): Promise<void> {
  await page.locator(".result .response", { hasText: `said = ${number}` }).waitFor();
}

const field = (page: BrowserPage, label: string) => page.getByLabel(label, { exact: true }).and(page.locator(CONTROL));
const press = (page: BrowserPage, name: string) => page.getByRole("button", { name, exact: true }).click();
const CONTROL = ":is(input, select, textarea)";

/** Returns the identifier or the name of the element that has the focus. */
function focused(page: BrowserPage): Promise<unknown> {
  return page.evaluate(
    "document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.tagName",
  );
}

async function jsonOf(editor: Locator): Promise<JsonValue> {
  return JSON.parse(await editor.inputValue());
}

testInChromium("the input of a method", [
  [
    "every kind of field is filled in by the form, and arrives",
    async (t, browser, files) => {
      const { page, received, editor, call } = await open(t, browser, files);
      await field(page, "customer").fill("Kim 민지");
      await press(page, "Set address");
      await field(page, "address: street").fill("Sejong-daero 1");
      await field(page, "address: floor").fill("3");
      await press(page, "Add to dishes");
      await field(page, "dishes, item 1: dish").fill("Mandu");
      await field(page, "dishes, item 1: size").selectOption("SIZE_LARGE");
      await press(page, "Add to dishes, item 1: wishes");
      await field(page, "dishes, item 1: wishes, item 1").fill("no egg");
      await press(page, "Add to dishes, item 1: sides");
      await field(page, "dishes, item 1: sides, item 1: quantity").fill("2");
      await press(page, "Add to vouchers");
      await field(page, "vouchers, key 1").fill("SPRING");
      await field(page, "vouchers, value of SPRING").fill("10");
      await press(page, "Add to branches");
      await field(page, "branches, value of 0: city").fill("Busan");
      await press(page, "Set deliverAt");
      await field(page, "deliverAt").fill("2026-01-31T12:00:00Z");
      await press(page, "Set patience");
      await field(page, "patience").fill("1.5s");
      await field(page, "payment").selectOption("card");
      await field(page, "card: number").fill("4111");
      await field(page, "gift").selectOption("false");
      await field(page, "note").fill("ring twice");
      await field(page, "total").fill("9007199254740993");
      await field(page, "tip").fill("0.5");
      await press(page, "Set extra");
      await field(page, "extra").fill('{"table": 5}');
      await press(page, "Set anything");
      await field(page, "anything").fill("[1, true]");
      await press(page, "Set nick");
      await field(page, "nick").fill("Min");
      await field(page, "receipt").fill("AQI=");
      await field(page, "size").selectOption("SIZE_SMALL");
      const expected = {
        customer: "Kim 민지",
        address: { street: "Sejong-daero 1", floor: 3 },
        dishes: [{ dish: "Mandu", size: "SIZE_LARGE", wishes: ["no egg"], sides: [{ quantity: 2 }] }],
        vouchers: { SPRING: 10 },
        branches: { "0": { city: "Busan" } },
        deliverAt: "2026-01-31T12:00:00Z",
        patience: "1.500s",
        card: { number: "4111" },
        gift: false,
        note: "ring twice",
        total: "9007199254740993",
        tip: 0.5,
        extra: { table: 5 },
        anything: [1, true],
        nick: "Min",
        receipt: "AQI=",
        size: "SIZE_SMALL",
      };
      await call.click();
      await nextResponse(page, 1);
      assert.deepEqual(received, [expected]);
      const shown = (await jsonOf(editor)) as Record<string, JsonValue>;
      assert.deepEqual(Object.keys(shown), Object.keys(expected), "the JSON is in the order of the contract");

      await press(page, "Unset address");
      await press(page, "Remove dishes, item 1");
      await press(page, "Remove vouchers, value of SPRING");
      await press(page, "Remove branches, value of 0");
      for (const name of ["deliverAt", "patience", "note", "extra", "anything", "nick", "gift"]) {
        await press(page, `Unset ${name}`);
      }
      await field(page, "payment").selectOption("");
      for (const name of ["customer", "total", "tip", "receipt"]) await field(page, name).fill("");
      await field(page, "size").selectOption("");
      assert.deepEqual(await jsonOf(editor), {});
    },
  ],
  [
    "the form follows the editor at each key, and the cursor stays in its place",
    async (t, browser, files) => {
      const { page, editor } = await open(t, browser, files);
      await editor.fill('{\n  "customer": "Km",  "vouchers": {"b": 1, "10": 2, "9": 3}}');
      await editor.evaluate((area: { setSelectionRange(start: number, end: number): void }) =>
        area.setSelectionRange(18, 18),
      );
      await page.keyboard.type("i", { delay: 10 });
      assert.equal(await field(page, "customer").inputValue(), "Kim");
      await page.keyboard.type("@", { delay: 10 });
      assert.equal(await editor.inputValue(), '{\n  "customer": "Ki@m",  "vouchers": {"b": 1, "10": 2, "9": 3}}');
      assert.equal(await editor.evaluate((area: { selectionStart: number }) => area.selectionStart), 20);
      const keys = await page
        .locator(".entry .key")
        .evaluateAll((all) => all.map((key) => (key as { value: string }).value));
      assert.deepEqual(keys, ["b", "10", "9"], "entries keep their order");
      await press(page, "Format");
      assert.match(await editor.inputValue(), /^\{\n {2}"customer": "Ki@m",\n {2}"vouchers": \{\n {4}"b": 1,/);
    },
  ],
  [
    "the cursor stays in the middle of a field, and what is typed for a number survives",
    async (t, browser, files) => {
      const { page, editor, call } = await open(t, browser, files);
      const tip = field(page, "tip");
      await tip.fill("15");
      await tip.press("Home");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.type(".0", { delay: 10 });
      assert.equal(await tip.inputValue(), "1.05");
      for (const [typed, json] of [
        ["1.", '"1."'],
        ["1.0", '"1.0"'],
        ["-", '"-"'],
        ["1e5", '"1e5"'],
        ["100000", "100000"],
        ["NaN", '"NaN"'],
      ] as const) {
        await tip.fill("");
        await tip.pressSequentially(typed);
        assert.equal(await tip.inputValue(), typed);
        assert.ok((await editor.inputValue()).includes(`"tip": ${json}`), typed);
      }
      await tip.fill("x");
      assert.equal(await tip.getAttribute("aria-invalid"), "true");
      const problem = page.locator(`[id="${await tip.getAttribute("aria-describedby")}"]`);
      assert.equal(await text(problem), 'expected a number (double), found "x"');
      assert.ok(await call.isDisabled());
    },
  ],
  [
    "Korean is composed in a field, in the editor and in a number",
    async (t, browser, files) => {
      const { page, editor } = await open(t, browser, files);
      const devtools = await page.context().newCDPSession(page);
      async function compose(): Promise<void> {
        for (const part of ["ㅎ", "하", "한"]) {
          await devtools.send("Input.imeSetComposition", { text: part, selectionStart: 1, selectionEnd: 1 });
        }
        await devtools.send("Input.insertText", { text: "한" });
        for (const part of ["ㄱ", "그", "글"]) {
          await devtools.send("Input.imeSetComposition", { text: part, selectionStart: 1, selectionEnd: 1 });
        }
        await devtools.send("Input.insertText", { text: "글" });
      }
      await field(page, "customer").fill("");
      await compose();
      assert.equal(await field(page, "customer").inputValue(), "한글");
      await field(page, "tip").fill("");
      await compose();
      assert.equal(await field(page, "tip").inputValue(), "한글");
      await editor.fill('{"customer": ""}');
      await editor.evaluate((area: { setSelectionRange(start: number, end: number): void }) =>
        area.setSelectionRange(14, 14),
      );
      await compose();
      assert.equal(await editor.inputValue(), '{"customer": "한글"}');
      assert.equal(await field(page, "customer").inputValue(), "한글");
    },
  ],
  [
    "text that is not JSON locks the form, which keeps the newest value, and says why and in which line",
    async (t, browser, files) => {
      const { page, editor, call } = await open(t, browser, files);
      await editor.fill('{\n  "customer": "Kim"\n}');
      await editor.fill('{\n  "customer": "Kim",\n  "tip" 1\n}');
      assert.ok(await field(page, "customer").isDisabled());
      assert.equal(await field(page, "customer").inputValue(), "Kim");
      await page.getByText("The form shows the newest valid value").waitFor();
      assert.ok(await call.isDisabled());
      assert.match(await text(page.locator(".problems li")), /^line 3 invalid JSON: expected ":", found "1"$/);
      await press(page, "line 3");
      assert.equal(await focused(page), "Message as JSON");
      assert.equal(await editor.evaluate((area: { selectionStart: number }) => area.selectionStart), 31);
      await editor.fill('{"customer": "Lee", "dishes": [{}, {"quantity": "x"}]}');
      assert.equal(await field(page, "customer").inputValue(), "Lee");
      assert.ok(await field(page, "customer").isEnabled());
      assert.match(await text(page.locator(".problems li")), /^line 1 dishes\[1\]\.quantity expected a number/);
      const invalid = field(page, "dishes, item 2: quantity");
      assert.equal(await invalid.getAttribute("aria-invalid"), "true");
      assert.equal(await invalid.inputValue(), "x");
    },
  ],
  [
    "numbers with more digits than JSON.parse keeps arrive as they were typed",
    async (t, browser, files) => {
      const { page, received, editor, call } = await open(t, browser, files);
      await editor.fill('{"total": 9007199254740993, "tip": 1e400}');
      assert.match(await text(page.locator(".problems li")), /tip 1e400 is outside double/);
      await editor.fill('{"total": 9007199254740993}');
      assert.equal(await field(page, "total").inputValue(), "9007199254740993");
      await call.click();
      await nextResponse(page, 1);
      assert.deepEqual(received, [{ total: "9007199254740993" }]);
    },
  ],
  [
    "the focus goes to what is added, and stays near to what is removed",
    async (t, browser, files) => {
      const { page } = await open(t, browser, files);
      await press(page, "Add to dishes");
      assert.equal(await focused(page), "dishes, item 1: dish");
      await press(page, "Add to dishes");
      assert.equal(await focused(page), "dishes, item 2: dish");
      await press(page, "Remove dishes, item 1");
      assert.equal(await focused(page), "Remove dishes, item 1");
      await page.keyboard.press("Enter");
      assert.equal(await focused(page), "Add to dishes");
      await press(page, "Add to vouchers");
      assert.equal(await focused(page), "vouchers, key 1");
      await press(page, "Set address");
      assert.equal(await focused(page), "address: street");
      await press(page, "Unset address");
      assert.equal(await focused(page), "Set address");
      await field(page, "note").fill("x");
      await press(page, "Unset note");
      assert.equal(await focused(page), "note");
      await field(page, "payment").selectOption("points");
      assert.equal(await field(page, "points").inputValue(), "0");
    },
  ],
  [
    "Enter in a field and Ctrl+Enter anywhere call once, and Enter in the editor starts a line",
    async (t, browser, files) => {
      const { page, received, editor } = await open(t, browser, files);
      await field(page, "customer").press("Enter");
      await nextResponse(page, 1);
      await field(page, "customer").press("Control+Enter");
      await nextResponse(page, 2);
      await editor.press("Control+Enter");
      await nextResponse(page, 3);
      await editor.press("Meta+Enter");
      await nextResponse(page, 4);
      await field(page, "size").press("Control+Enter");
      await nextResponse(page, 5);
      await editor.press("Enter");
      await press(page, "Set extra");
      await field(page, "extra").press("Enter");
      assert.equal(await field(page, "extra").inputValue(), "{}\n");
      await page.waitForLoadState("networkidle");
      assert.equal(received.length, 5);
    },
  ],
  [
    "entries with equal keys stay apart until one is renamed, and unusual keys arrive",
    async (t, browser, files) => {
      const { page, received, call } = await open(t, browser, files);
      for (const key of ["a", "__proto__", "constructor", ""]) {
        await press(page, "Add to vouchers");
        await page.locator(".entry .key").last().fill(key);
      }
      await field(page, "vouchers, key 1").fill("constructor");
      assert.match(await text(page.getByRole("alert")), /vouchers\["constructor"\] the map has the key/);
      assert.ok(await call.isDisabled());
      assert.equal(await page.locator(".entry").count(), 4);
      await field(page, "vouchers, key 1").fill("constructors");
      await call.click();
      await nextResponse(page, 1);
      const [{ vouchers }] = received as [{ vouchers: object }];
      assert.deepEqual(Object.keys(vouchers).sort(), ["", "__proto__", "constructor", "constructors"]);
    },
  ],
  [
    "texts of several lines keep each line break, and a value of another type is shown as JSON",
    async (t, browser, files) => {
      const { page, received, editor, call } = await open(t, browser, files);
      await editor.fill('{"customer": "a\\nb", "note": "c\\r\\nd", "address": "x", "gift": "yes", "size": 7}');
      await field(page, "customer").press("End");
      await field(page, "customer").press("ControlOrMeta+End");
      await page.keyboard.type("\nc");
      assert.equal(await field(page, "note").inputValue(), '"c\\r\\nd"');
      assert.equal(await field(page, "address").inputValue(), "x");
      assert.equal(await field(page, "gift").inputValue(), "yes");
      assert.equal(await field(page, "size").inputValue(), "7");
      assert.equal(await page.locator(".form .problem").count(), 2);
      await press(page, "Unset address");
      await field(page, "gift").fill("true");
      await field(page, "gift").selectOption("true");
      await call.click();
      await nextResponse(page, 1);
      assert.deepEqual(received, [{ customer: "a\nb\nc", note: "c\r\nd", gift: true, size: 7 }]);
    },
  ],
  [
    "JSON in a field keeps its spaces while it is typed, and any text is a value",
    async (t, browser, files) => {
      const { page, editor } = await open(t, browser, files);
      const example = (await jsonOf(editor)) as object;
      await press(page, "Set anything");
      const anything = field(page, "anything");
      await anything.fill("");
      await anything.pressSequentially('{ "a":  [1,2] }');
      assert.equal(await anything.inputValue(), '{ "a":  [1,2] }');
      assert.deepEqual(await jsonOf(editor), { ...example, anything: { a: [1, 2] } });
    },
  ],
  [
    "a long message is edited in the editor only, and a deep one in the form too",
    async (t, browser, files) => {
      const { page, received, editor, call } = await open(t, browser, files);
      const dishes = Array.from({ length: 5_000 }, (_, i) => ({ dish: `dish ${i}` }));
      await editor.fill(JSON.stringify({ dishes }));
      await page.getByText("The form shows messages of fewer than 500 values").waitFor();
      await call.click();
      await nextResponse(page, 1);
      assert.deepEqual(received, [{ dishes }]);
      const depth = 60;
      await editor.fill(`{"dishes": [${'{"sides": ['.repeat(depth)}{"dish": "x"}${"]}".repeat(depth)}]}`);
      await field(page, `dishes, item 1${": sides, item 1".repeat(depth)}: dish`).fill("y");
      assert.match(await editor.inputValue(), /"dish": "y"/);
      await editor.fill("[".repeat(300));
      assert.match(await text(page.locator(".problems li")), /nested over the limit of 200 levels/);
    },
  ],
  [
    "the time is now at a click",
    async (t, browser, files) => {
      const { page } = await open(t, browser, files);
      await press(page, "Set deliverAt");
      await press(page, "Now for deliverAt");
      const now = Date.parse(await field(page, "deliverAt").inputValue());
      assert.ok(Math.abs(Date.now() - now) < 60_000);
    },
  ],
  [
    "comments of the contract describe their fields",
    async (t, browser) => {
      const folder = mkdtempSync(join(tmpdir(), "comments-"));
      t.after(() => rmSync(folder, { recursive: true }));
      const comments = {
        "shop.v1.OrderRequest.customer": "The name.\n\nAs on the bell.",
        "shop.v1.Address.city": "A city.",
      };
      writeFileSync(join(folder, "service_comments.json"), JSON.stringify(comments));
      const { page } = await open(t, browser, await buildFiles(t, folder, folder));
      const described = await field(page, "customer").getAttribute("aria-describedby");
      assert.deepEqual(await page.locator(`[id="${described}"] p`).allInnerTexts(), ["The name.", "As on the bell."]);
      await press(page, "Set address");
      await page.getByText("A city.").waitFor();
    },
  ],
  ...(["light", "dark"] as const).flatMap((colorScheme) =>
    (["en", "ko"] as const).map(
      (locale): PageTest => [
        `axe finds nothing in a full form, and each label is unique, in ${locale} on ${colorScheme}`,
        async (t, browser, files) => {
          const { page, editor } = await open(t, browser, files, { colorScheme, locale });
          await editor.fill(JSON.stringify(FULL));
          await page.locator(".form .problem").first().waitFor();
          await assertAccessible(page);
          const names = (await page.evaluate(`
            [...document.querySelectorAll("form :is(input:not([type=radio]), select, textarea, button)")]
              .map((each) => each.ariaLabel ?? each.labels?.[0]?.textContent ?? each.textContent)`)) as string[];
          assert.deepEqual(names, [...new Set(names)]);
          await editor.fill("{");
          await assertAccessible(page);
        },
      ],
    ),
  ),
  ...[360, 800, 1400].map(
    (width): PageTest => [
      `a full form is not wider than a window of ${width} pixels`,
      async (t, browser, files) => {
        const { page, editor } = await open(t, browser, files, { viewport: { width, height: 800 } });
        await editor.fill(JSON.stringify(FULL, null, 2));
        await page.locator(".form .problem").first().waitFor();
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
        const narrowest = await page
          .locator(".form :is(input:not([type=checkbox]), select, textarea)")
          .evaluateAll((all) =>
            Math.min(...all.map((each) => (each as unknown as { clientWidth: number }).clientWidth)),
          );
        assert.ok(narrowest >= 60, `a control has a width of ${narrowest} pixels`);
      },
    ],
  ),
]);

/** A message with a problem, and values of every kind. */
const FULL = {
  customer: "Kim Minji",
  address: { street: "Sejong-daero 1", city: "Seoul", floor: 3 },
  dishes: [
    {
      dish: "Bibimbap",
      quantity: 2,
      size: "SIZE_LARGE",
      wishes: ["no egg", "hot"],
      sides: [{ dish: "Kimchi", sides: [{}] }],
    },
    { dish: "Mandu", quantity: "x" },
  ],
  vouchers: { SPRING: 10, "": 1 },
  branches: { "7": { city: "Busan" } },
  deliverAt: "2026-01-31T12:00:00Z",
  patience: "1.5s",
  card: { number: "4111" },
  gift: true,
  note: "two\nlines",
  total: "9007199254740993",
  tip: 0.5,
  extra: { table: 5 },
  anything: null,
  nick: "Min",
  receipt: "AQI=",
  size: "SIZE_SMALL",
};
