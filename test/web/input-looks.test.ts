/** Tests accessibility, widths and comments of the form. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { field, openOrder, press } from "../support/order-page.ts";
import { assertAccessible, buildFiles, type PageTest, testInChromium } from "../support/page-tests.ts";

testInChromium("the look of a message", [
  [
    "comments of the contract describe their fields",
    async (t, browser) => {
      const folder = mkdtempSync(join(tmpdir(), "comments-"));
      t.after(() => rmSync(folder, { recursive: true }));
      const comments = {
        "shop.v1.OrderRequest.customer": "The name.\n\nAs on the bell.",
        "shop.v1.OrderRequest.address": "The door.",
        "shop.v1.Address.city": "A city.",
      };
      writeFileSync(join(folder, "service_comments.json"), JSON.stringify(comments));
      const { page } = await openOrder(t, browser, await buildFiles(t, folder, folder));
      const described = await field(page, "customer").getAttribute("aria-describedby");
      assert.deepEqual(await page.locator(`[id="${described}"] p`).allInnerTexts(), ["The name.", "As on the bell."]);
      await press(page, "Set address");
      await page.getByText("A city.").waitFor();
      await field(page, "address: comment").fill("a field whose name is that of a part of the form");
    },
  ],
  ...(["light", "dark"] as const).flatMap((colorScheme) =>
    (["en", "ko"] as const).map(
      (locale): PageTest => [
        `axe finds nothing in a full form, and each label is unique, in ${locale} on ${colorScheme}`,
        async (t, browser, files) => {
          const { page, editor } = await openOrder(t, browser, files, { colorScheme, locale });
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
        const { page, editor } = await openOrder(t, browser, files, { viewport: { width, height: 800 } });
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
