/** Tests the JSON editor beside the form: the two follow each other, and nothing that is typed is lost. */
import assert from "node:assert/strict";
import { field, focused, nextResponse, openOrder, press } from "../support/order-page.ts";
import { testInChromium, text } from "../support/page-tests.ts";

testInChromium("the editor of a message", [
  [
    "the form follows the editor at each key, and the cursor stays in its place",
    async (t, browser, files) => {
      const { page, editor } = await openOrder(t, browser, files);
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
    "Korean is composed in a field, in the editor and in a number",
    async (t, browser, files) => {
      const { page, editor } = await openOrder(t, browser, files);
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
      const { page, editor, call } = await openOrder(t, browser, files);
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
      const { page, received, editor, call } = await openOrder(t, browser, files);
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
    "a long message is edited in the editor only, and a deep one in the form too",
    async (t, browser, files) => {
      const { page, received, editor, call } = await openOrder(t, browser, files);
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
]);
