/** Tests the appearance of the page: accessibility with axe, narrow and wide windows, and images. */
import assert from "node:assert/strict";
import { openPage } from "../support/browser.ts";
import { openMany, PACKAGE } from "../support/many-methods.ts";
import {
  assertAccessible,
  assertOnlyRefused,
  openRecorded,
  type PageTest,
  startPage,
  testInChromium,
  wholeTable,
} from "../support/page-tests.ts";

testInChromium("the page looks right", [
  ...(["light", "dark"] as const).flatMap((colorScheme) =>
    (["en", "ko"] as const).map(
      (locale): PageTest => [
        `axe finds nothing, in ${locale} on ${colorScheme}, before a call, after it and after an error`,
        async (t, browser, files) => {
          const { url } = await startPage(t, files);
          const { page, takeProblems } = await openPage(t, browser, url, { colorScheme, locale });
          await page.locator(".primary").waitFor();
          await assertAccessible(page);
          await page.locator(".primary").click();
          await wholeTable(page);
          await assertAccessible(page);
          await page.getByRole("listbox").first().focus();
          await assertAccessible(page);
          await page.locator(".tries button").first().click();
          await page.locator(".result .error").waitFor();
          await wholeTable(page);
          await page.locator("#field-a").fill("x");
          await assertAccessible(page);
          assertOnlyRefused(await takeProblems());
        },
      ],
    ),
  ),
  ...(
    [
      { locale: "en", colorScheme: "light", width: 360 },
      { locale: "ko", colorScheme: "dark", width: 800 },
      { locale: "en", colorScheme: "dark", width: 1400 },
    ] as const
  ).map(
    ({ locale, colorScheme, width }): PageTest => [
      `with many methods, axe finds nothing and nothing is too wide, in ${locale} on ${colorScheme} at ${width} pixels`,
      async (t, browser, files) => {
        const options = { locale, colorScheme, viewport: { width, height: 800 } };
        const { page } = await openMany(t, browser, files, options, `#/${PACKAGE}.SecondService/Watch`);
        const assertLooks = async () => {
          await assertAccessible(page);
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
        };
        await page.locator(".primary").click();
        await page.locator(".stop").waitFor();
        await page.locator(".exchange").waitFor();
        await page.keyboard.press("Escape");
        await page.locator(".history summary").click();
        await page.locator(".metadata summary").click();
        await page.locator("#deadline").fill("late");
        await assertLooks();
        await page.keyboard.press("Tab"); // out of the field
        await page.locator("h1").click();
        await page.keyboard.press("/");
        await page.keyboard.type("chat");
        await assertLooks();
        await page.keyboard.press("Enter");
        await page.locator(".streams").waitFor();
        await assertLooks();
      },
    ],
  ),
  ...[360, 800, 1400].map(
    (width): PageTest => [
      `nothing is wider than a window of ${width} pixels`,
      async (t, browser, files) => {
        for (const locale of ["en", "ko"]) {
          const { page, takeProblems } = await openRecorded(t, browser, files, {
            viewport: { width, height: 800 },
            locale,
          });
          await page.locator(".tries button").first().click();
          await wholeTable(page);
          assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
          assertOnlyRefused(await takeProblems());
        }
      },
    ],
  ),
  [
    "at 360 pixels the call button is at the begin of its line",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url, { viewport: { width: 360, height: 800 } });
      const left = async (selector: string) => (await page.locator(selector).first().boundingBox())?.x;
      assert.equal(await left(".function .primary"), await left(".function .name"));
    },
  ],
  [
    "with forced colours, bars, the chosen language and highlighted parts are visible",
    async (t, browser, files) => {
      const { url } = await startPage(t, files);
      const { page } = await openPage(t, browser, url, { forcedColors: "active" });
      await page.locator(".primary").click();
      await wholeTable(page);
      await page.getByRole("listbox").first().focus();
      const colorOf = (selector: string, property: string): Promise<unknown> =>
        page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).${property}`);
      const card = await colorOf("table", "backgroundColor");
      for (const bar of [".sizes .bar .message", ".sizes .bar .framing"]) {
        assert.notEqual(await colorOf(bar, "backgroundColor"), card, bar);
      }
      await page.keyboard.press("ArrowRight"); // away from the brace, which belongs to no value
      for (const [is, isNot] of [
        ["button[aria-pressed=true]", "button[aria-pressed=false]"],
        [".part[data-lit=true]", ".part[data-lit=false]"],
        [".values [data-lit=true]", ".values [data-lit=false]"],
      ] as const) {
        assert.notEqual(await colorOf(is, "borderTopColor"), await colorOf(isNot, "borderTopColor"), is);
      }
    },
  ],
]);
