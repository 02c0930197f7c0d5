/**
 * Runs Chromium from PATH with its own profile, and records the problems of a page: errors, warnings, foreign requests.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findJudge } from "./judge.ts";

/** A name of this machine that browsers do not know as loopback: its pages are not in a secure context. */
export const PLAIN_HOST = "plain.test";

/** Chromium would otherwise call hosts of Google and look for a graphics card, and root cannot use its sandbox. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
];
const TIMEOUT_MS = 20_000;

/** Starts the browser, and closes it after the test. Returns undefined if the test is skipped without a browser. */
export async function startBrowser(t: TestContext): Promise<Browser | undefined> {
  const executablePath = findJudge(t, "chromium", "chromium-browser", "google-chrome");
  if (executablePath === undefined) return undefined;
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  t.after(() => browser.close());
  return browser;
}

export interface OpenPage {
  readonly page: Page;
  /**
   * Returns and forgets the problems so far: errors, warnings, violations of the page's policy, requests to other
   * hosts.
   */
  takeProblems(): Promise<string[]>;
}

/** Opens the URL. The test fails if it ends with a problem that it did not take. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ locale: "en", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const problems: string[] = [];
  const { origin } = new URL(url);
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) problems.push(`request to ${request.url()}`);
  });
  page.on("console", (message) => problems.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.addInitScript(`
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push("policy: " + event.violatedDirective));`);
  async function takeProblems(): Promise<string[]> {
    return [...problems.splice(0), ...((await page.evaluate("violations.splice(0)")) as string[])];
  }
  t.after(async () => {
    const left = await takeProblems();
    await context.close();
    assert.deepEqual(left, [], "the page had problems that the test did not expect");
  });
  await page.goto(url);
  return { page, takeProblems };
}
