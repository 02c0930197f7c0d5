/** Calls methods from the page in a browser, as a user does. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Page } from "playwright-core";
import { openPage, startBrowser } from "../../support/browser.ts";
import { snippet, TOOLS } from "../../support/page-tests.ts";
import type { MethodCall } from "./calls.ts";

/** Calls each method that a browser can call. Checks that the page explains the others, and has lines to paste for them. */
export async function callFromPage(t: TestContext, url: string, calls: readonly MethodCall[]): Promise<void> {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  await t.test("the page calls each method", async (t) => {
    const { page } = await openPage(t, browser, url);
    for (const call of calls) {
      await page.locator(`nav a[href="#/${call.method}"]`).click();
      await page.locator(`nav a[href="#/${call.method}"][aria-current=page]`).waitFor();
      const isClosed = (await page.locator("details.json").getAttribute("open")) === null;
      if (isClosed) await page.locator("details.json > summary").click();
      await page.locator(".editor textarea").fill(JSON.stringify(call.requests[0]));
      await (call.kind === "unary" || call.kind === "server_streaming"
        ? callMethod(page, call)
        : readLines(page, call));
    }
  });
}

/** Calls the method of the page. Checks each response, by a text of it. */
async function callMethod(page: Page, { method, kind, responses }: MethodCall): Promise<void> {
  await page.getByRole("button", { name: "Call", exact: true }).click();
  const shown = page.locator(kind === "unary" ? ".result .response" : ".messages > li");
  for (const [index, response] of responses.entries()) {
    await shown
      .nth(index)
      .filter({ hasText: firstText(response) })
      .waitFor();
  }
  assert.equal(await shown.count(), responses.length, method);
  if (kind === "server_streaming") await shown.first().locator("summary").click();
  await page.locator(".hex").first().waitFor();
}

/** Checks that the page says why it cannot call the method, and has lines that do. */
async function readLines(page: Page, { method }: MethodCall): Promise<void> {
  await page
    .getByText(/browsers? cannot/i)
    .first()
    .waitFor();
  assert.equal(await page.getByRole("button", { name: "Call", exact: true }).count(), 0, method);
  const name = new RegExp(method.split("/")[1] as string, "i");
  for (const tool of TOOLS) assert.match(await snippet(page, tool), name);
}

/** Returns the first text in a value of JSON that begins with a capital letter, or "". */
function firstText(value: unknown): string {
  if (typeof value === "string") return /^[A-Z]/.test(value) ? value : "";
  if (typeof value !== "object") return "";
  const texts = Object.values(value ?? {}).map(firstText);
  return texts.find((text) => text !== "") ?? "";
}
