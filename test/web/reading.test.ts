/** Tests reading the page: by keyboard, by pointer, in two languages, and the table of sizes. */
import assert from "node:assert/strict";
import type { Page as BrowserPage, Locator } from "playwright-core";
import { PROTOCOL_NAMES, PROTOCOLS } from "../../web/call/protocol.ts";
import { openPage } from "../support/browser.ts";
import {
  assertOnlyRefused,
  call,
  find,
  hexOf,
  openRecorded,
  startPage,
  testInChromium,
  text,
  wholeTable,
} from "../support/page-tests.ts";

testInChromium("the page is read", [
  [
    "all works by keyboard alone: fields, protocol, call, parts and language",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      const tabTo = async (target: Locator): Promise<void> => {
        for (let presses = 0; presses < 40; presses++) {
          await page.keyboard.press("Tab");
          if (await isFocused(page, target)) return;
        }
        assert.fail("40 times Tab did not lead to the target");
      };
      await tabTo(page.getByLabel("a", { exact: true }));
      await page.keyboard.press("Control+A");
      await page.keyboard.type("300");
      await tabTo(page.getByLabel("b", { exact: true }));
      await page.keyboard.press("Control+A");
      await page.keyboard.type("-1");
      await page.keyboard.press("Enter");
      await wholeTable(page);
      assert.equal(await text(page.locator(".result .response")), "Response: sum = 299");
      await tabTo(page.getByLabel("Connect JSON"));
      await page.keyboard.press("ArrowRight");
      assert.ok(await page.getByLabel("Connect binary").isChecked());
      await page.keyboard.press("Enter");
      const parts = page.getByRole("listbox", { name: /^Request: Body, / });
      await page.getByText("Body, 14 bytes").waitFor();
      await tabTo(parts);
      const explanation = page.getByLabel("Request", { exact: true }).locator(".explanation");
      const sentences: string[] = [await text(explanation)];
      for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "Home", "End", "ArrowLeft"]) {
        await page.keyboard.press(key);
        const active = await parts.getAttribute("aria-activedescendant");
        assert.equal(await text(page.locator(`[id="${active}"] .unseen`)), await text(explanation));
        sentences.push(await text(explanation));
      }
      assert.deepEqual(
        sentences.map((sentence) => sentence.split(" ").slice(0, 4).join(" ")),
        [
          "Tag: field 1, a,",
          "Value: 300, int32. A",
          "Tag: field 2, b,",
          "Value: -1, int32. A",
          "Tag: field 1, a,",
          "Value: -1, int32. A",
          "Tag: field 2, b,",
        ],
      );
      assert.deepEqual(
        await page.getByLabel("Request", { exact: true }).locator(".values [data-lit=true]").allInnerTexts(),
        ["b = -1"],
      );
      await page.keyboard.press("Shift+Tab");
      await tabTo(page.getByRole("button", { name: "한국어" }));
      await page.keyboard.press("Space");
      await page.getByRole("button", { name: "호출하기" }).waitFor();
      assert.ok(await isFocused(page, page.getByRole("button", { name: "한국어" })));
    },
  ],
  [
    "pointing at a part explains it and highlights its value, and pointing at a value highlights its parts",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      await call(page, 1, 2);
      const request = page.getByLabel("Request", { exact: true });
      await request.locator(".part", { hasText: '"b"' }).hover();
      assert.equal(await text(request.locator(".explanation")), "The name b, spelled out each time.");
      assert.deepEqual(await request.locator(".values [data-lit=true]").allInnerTexts(), ["b = 2"]);
      await request.locator(".values li", { hasText: "a = 1" }).hover();
      const lit = await request.locator(".part[data-lit=true] .meaning").allInnerTexts();
      assert.deepEqual(lit, ['"a"', ":", "1"]);
    },
  ],
  [
    "a part that the keyboard selected stays explained when the pointer passes over others",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      await call(page, 1, 2);
      const request = page.getByLabel("Request", { exact: true });
      await request.getByRole("listbox").focus();
      await request.locator(".part", { hasText: '"b"' }).hover();
      await page.getByRole("heading", { level: 1 }).hover();
      assert.match(await text(request.locator(".explanation")), /^The name b,/);
      await request.getByRole("listbox").blur();
      await request.locator(".part", { hasText: '"b"' }).hover();
      await page.getByRole("heading", { level: 1 }).hover();
      assert.equal(await text(request.locator(".explanation")), "Point at a part, or use the arrow keys.");
    },
  ],
  [
    "on a touch screen a tap selects a part, a swipe selects nothing, and the hint names tapping",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url, { hasTouch: true, isMobile: true, ...PHONE });
      await page.getByRole("button", { name: "Call" }).tap();
      await wholeTable(page);
      const request = page.getByLabel("Request", { exact: true });
      const explanation = request.locator(".explanation");
      assert.equal(await text(explanation), "Tap a part.");
      await request.locator(".part", { hasText: '"b"' }).tap();
      assert.equal(await text(explanation), "The name b, spelled out each time.");
      assert.deepEqual(await request.locator(".values [data-lit=true]").allInnerTexts(), ["b = 2"]);
      await request.locator(".part", { hasText: '"a"' }).tap();
      assert.equal(await text(explanation), "The name a, spelled out each time.");
      await request.locator(".values li", { hasText: "b = 2" }).tap();
      await page.getByRole("heading", { level: 1 }).tap();
      assert.equal(await text(explanation), "Tap a part.");
      const lit = await request.locator(".part[data-lit=true] .meaning").allInnerTexts();
      assert.deepEqual(lit, ['"b"', ":", "2"]);
      await swipe(page, request.locator(".part", { hasText: '"b"' }));
      assert.equal(await text(explanation), "Tap a part.");
    },
  ],
  [
    "a part that is clicked stays explained when the pointer leaves",
    async (t, browser, files) => {
      const { page } = await openRecorded(t, browser, files);
      await call(page, 1, 2);
      const request = page.getByLabel("Request", { exact: true });
      await request.locator(".part", { hasText: '"b"' }).click();
      await page.getByRole("heading", { level: 1 }).hover();
      assert.match(await text(request.locator(".explanation")), /^The name b,/);
    },
  ],
  [
    "the table has the recorded size of each protocol, and the calculated one of gRPC",
    async (t, browser, files) => {
      const { page, exchanges } = await openRecorded(t, browser, files);
      await call(page, 20, 22);
      const rows = await page.locator(".sizes tbody tr").all();
      const shown = await Promise.all(
        rows.map(async (row) => [
          await text(row.locator("th")),
          ...(await row.locator(".count").allInnerTexts()).map(Number),
        ]),
      );
      const sizes = PROTOCOLS.map((protocol) => {
        const { request, response } = find(exchanges, protocol);
        const query = request.start.split(" ")[1]?.split("?")[1];
        const there = query === undefined ? request.body.length : query.length + 1;
        return [PROTOCOL_NAMES[protocol], there, response.body.length];
      });
      assert.deepEqual(shown, [...sizes, ["gRPC", 5 + 4, 5 + 2]]);
      assert.equal(
        (await hexOf(page.getByRole("listbox", { name: "The frame that gRPC would send" }))).toString("hex"),
        "000000000408141016",
      );
    },
  ],
  [
    "no byte of an error is counted as the message, in any protocol",
    async (t, browser, files) => {
      const { page, takeProblems } = await openRecorded(t, browser, files);
      await page.getByRole("button", { name: "The largest numbers" }).click();
      await wholeTable(page);
      const sizes = await page.locator(".sizes td:last-child .unseen").allTextContents();
      assert.equal(sizes.length, PROTOCOLS.length + 1);
      for (const size of sizes) assert.match(size, /^ \(0 message, \d+ framing\)$/);
      assertOnlyRefused(await takeProblems());
    },
  ],
  [
    "copying a snippet, or failing to, is announced to screen readers",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const permissions = ["clipboard-read", "clipboard-write"];
      const { page } = await openPage(t, browser, url, { permissions });
      const line = page.locator(".snippets figure").first();
      await page.getByRole("button", { name: "Copy: grpcurl" }).click();
      await page.getByRole("button", { name: "Copied: grpcurl" }).waitFor();
      assert.equal(await text(line.getByRole("status")), "Copied: grpcurl");
      assert.equal(await page.evaluate("navigator.clipboard.readText()"), await line.locator("pre").textContent());
      await page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowedError'))",
      );
      await page.getByLabel("a", { exact: true }).fill("7");
      await page.getByRole("button", { name: "Copy: grpcurl" }).click();
      await page.getByRole("button", { name: "Not copied: grpcurl" }).waitFor();
      assert.equal(await text(line.getByRole("status")), "Not copied: grpcurl");
    },
  ],
  [
    "messages of the server and the client are marked as English in the Korean page",
    async (t, browser, files) => {
      const { page, takeProblems } = await openRecorded(t, browser, files, { locale: "ko" });
      await page.locator(".tries button").first().click();
      const words = page.locator(".result .error [lang=en]");
      await words.waitFor();
      assert.match(await text(words), /^add 2147483647 and /);
      await wholeTable(page);
      await page.locator("#field-a").fill("x");
      assert.match(await text(page.locator("[role=alert] [lang=en]")), /^a expected a number \(int32\), found "x"$/);
      assertOnlyRefused(await takeProblems());
    },
  ],
  [
    "a phone shows its full keyboard, because that for digits has no minus",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url);
      assert.equal(await page.getByLabel("a", { exact: true }).getAttribute("inputmode"), null);
    },
  ],
  [
    "the page has the language of the browser, and stores another choice",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const konkani = await openPage(t, browser, url, { locale: "kok-IN" });
      await konkani.page.getByRole("button", { name: "Call" }).waitFor();
      const english = await openPage(t, browser, url, { locale: "de" });
      await english.page.getByRole("button", { name: "Call" }).waitFor();
      assert.equal(await english.page.locator("html").getAttribute("lang"), "en");
      const korean = await openPage(t, browser, url, { locale: "ko-KR" });
      await korean.page.getByRole("button", { name: "호출하기" }).waitFor();
      assert.equal(await korean.page.locator("html").getAttribute("lang"), "ko");
      await korean.page.getByRole("button", { name: "호출하기" }).click();
      await wholeTable(korean.page);
      assert.equal(await text(korean.page.locator(".result .response")), "응답: sum = 3");
      const words = String(await korean.page.locator("main").textContent()).match(/[가-힣]+/g) ?? [];
      assert.ok(words.length > 150, `${words.length} words of Korean`);
      await english.page.getByRole("button", { name: "한국어" }).click();
      await english.page.reload();
      await english.page.getByRole("button", { name: "호출하기" }).waitFor();
      await english.page.getByRole("button", { name: "English" }).click();
      await english.page.getByRole("button", { name: "Call" }).waitFor();
    },
  ],
]);

/** The viewport of a small phone, in CSS pixels. */
const PHONE = { viewport: { width: 360, height: 740 } };

/** Moves a finger over the target, as a user does to scroll. */
async function swipe(page: BrowserPage, target: Locator): Promise<void> {
  await target.scrollIntoViewIfNeeded();
  const { x, y } = (await target.boundingBox()) as { x: number; y: number };
  const session = await page.context().newCDPSession(page);
  const at = (dy: number) => ({ touchPoints: [{ x: x + 5, y: y + 5 + dy }] });
  await session.send("Input.dispatchTouchEvent", { type: "touchStart", ...at(0) });
  for (let dy = -10; dy >= -60; dy -= 10)
    await session.send("Input.dispatchTouchEvent", { type: "touchMove", ...at(dy) });
  await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
}

async function isFocused(page: BrowserPage, target: Locator): Promise<boolean> {
  return (await target.and(page.locator(":focus")).count()) > 0;
}
