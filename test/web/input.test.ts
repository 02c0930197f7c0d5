/** Tests the form of a message in the browser: values of every kind, keys and focus. */
import assert from "node:assert/strict";
import type { JsonValue } from "@bufbuild/protobuf";
import { field, focused, jsonOf, nextResponse, openOrder, press } from "../support/order-page.ts";
import { compileOwn, openOwn } from "../support/own-contract.ts";
import { testInChromium, text } from "../support/page-tests.ts";

const FEW = `
syntax = "proto3";
package few.v1;
service FewService {
  rpc Find(Keys) returns (Keys);
}
message Keys {
  repeated string ids = 1;
  map<string, int32> counts = 2;
}
`;

testInChromium("the form of a message", [
  [
    "a message with only a list and a map has buttons to add, and not one control for each",
    async (t, browser, files) => {
      const own = compileOwn(t, FEW, "few.v1.FewService", files);
      const { page } = await openOwn(t, browser, own, { find: (request: object) => request });
      await press(page, "Add to ids");
      await field(page, "ids, item 1").fill("x");
      await press(page, "Add to counts");
      await field(page, "counts, key 1").fill("y");
      await page.locator("form .primary").click();
      await page.locator(".result .response", { hasText: 'ids = ["x"], counts = {"y":0}' }).waitFor();
    },
  ],
  [
    "every kind of field is filled in by the form, and arrives",
    async (t, browser, files) => {
      const { page, received, editor, call } = await openOrder(t, browser, files);
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
    "the cursor stays in the middle of a field, and what is typed for a number survives",
    async (t, browser, files) => {
      const { page, editor, call } = await openOrder(t, browser, files);
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
    "the focus goes to what is added, and stays near to what is removed",
    async (t, browser, files) => {
      const { page } = await openOrder(t, browser, files);
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
      const { page, received, editor } = await openOrder(t, browser, files);
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
      const { page, received, call } = await openOrder(t, browser, files);
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
      const { page, received, editor, call } = await openOrder(t, browser, files);
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
      const { page, editor } = await openOrder(t, browser, files);
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
    "the time is now at a click",
    async (t, browser, files) => {
      const { page } = await openOrder(t, browser, files);
      await press(page, "Set deliverAt");
      await press(page, "Now for deliverAt");
      const now = Date.parse(await field(page, "deliverAt").inputValue());
      assert.ok(Math.abs(Date.now() - now) < 60_000);
    },
  ],
]);
