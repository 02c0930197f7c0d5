/**
 * Runs tests of the page in Chromium, with one browser and one build per test file, and steps that many tests share.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Browser, Page as BrowserPage, Locator } from "playwright-core";
import type { ServerOptions } from "../../src/server/server.ts";
import { type Page, readPage } from "../../src/server/site/page.ts";
import { buildPage } from "../../web/build.ts";
import { PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../../web/call/protocol.ts";
import { type OpenPage, openPage, startBrowser } from "./browser.ts";
import { callRoutes } from "./call-service.ts";
import { ROOT } from "./command.ts";
import { type RecordedExchange, startRecordingProxy } from "./recording-proxy.ts";
import { type RunningServer, startServer } from "./server.ts";

/** The path of the method that most tests of the page call. */
export const PROCEDURE = "/calls.v1.CallService/Add";
/** The message of Chromium on every response that is not a success. */
const REFUSED = /^error: Failed to load resource: the server responded with a status of 400/;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TIMEOUT_MS = 240_000;
/** Results of the benchmark, so that the page's tests need none of bench/. */
const RESULTS = join(ROOT, "test/fixtures/benchmark");

export type PageTest = readonly [name: string, body: (t: TestContext, browser: Browser, files: Page) => Promise<void>];

/** Runs the tests one after the other, if there is a browser. */
export function testInChromium(name: string, tests: readonly PageTest[]): void {
  test(`${name}, in Chromium`, { timeout: TIMEOUT_MS }, async (t) => {
    const browser = await startBrowser(t);
    if (browser === undefined) return;
    const files = await buildFiles(t, RESULTS);
    for (const [name, body] of tests) await t.test(name, (t) => body(t, browser, files));
  });
}

/**
 * Builds the page, with the results of the benchmark that the folder has. `generated` is a folder with comments of
 * contracts.
 */
export async function buildFiles(t: TestContext, results: string, generated?: string): Promise<Page> {
  const folder = mkdtempSync(join(tmpdir(), "page-"));
  t.after(() => rmSync(folder, { recursive: true }));
  await buildPage(folder, results, generated);
  return readPage(folder) as Page;
}

/** Starts a server with the page. */
export function startPage(t: TestContext, files: Page, options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return startServer(t, { page: files, routes: callRoutes, ...options });
}

/** Opens the page of a server through a recording proxy. */
export async function openRecorded(
  t: TestContext,
  browser: Browser,
  files: Page,
  options = {},
  { host = "127.0.0.1", ...more }: Partial<ServerOptions> & { readonly host?: string } = {},
): Promise<OpenPage & { exchanges(text: string): RecordedExchange[] }> {
  const { port } = await startPage(t, files, { allowedHosts: [host], ...more });
  const proxy = await startRecordingProxy(t, port);
  return { ...(await openPage(t, browser, proxy.url.replace("127.0.0.1", host), options)), exchanges: proxy.exchanges };
}

export async function choose(page: BrowserPage, protocol: Protocol): Promise<void> {
  await page.getByLabel(PROTOCOL_NAMES[protocol]).check();
}

/** Chooses a method in the list of methods, by a name like "shop.v1.OrderService/Order". */
export async function chooseMethod(page: BrowserPage, procedure: string): Promise<void> {
  const toggle = page.getByRole("navigation").getByRole("button");
  if (await toggle.isVisible()) await toggle.click();
  await page.locator(`nav a[href="#/${procedure}"]`).click();
  await page.locator(`nav a[href="#/${procedure}"][aria-current=page]`).waitFor({ state: "attached" });
}

export async function call(page: BrowserPage, a: number, b: number): Promise<void> {
  await page.getByLabel("a", { exact: true }).fill(String(a));
  await page.getByLabel("b", { exact: true }).fill(String(b));
  await page.getByRole("button", { name: "Call" }).click();
  await page.locator(".result .response", { hasText: `= ${a + b}` }).waitFor();
  await wholeTable(page);
}

/** The tools and languages for which the page has text to paste. */
export const TOOLS = ["grpcurl", "buf curl", "curl", "Python", "TypeScript"] as const;

/** Chooses the tool or language, and returns its text to paste. */
export async function snippet(page: BrowserPage, name: string): Promise<string> {
  await page.getByRole("radio", { name, exact: true }).check();
  return String(await page.locator(".snippets pre").textContent());
}

/** Waits until all protocols were called for the table of sizes. */
export async function wholeTable(page: BrowserPage): Promise<void> {
  await page.locator(".sizes tbody tr").nth(PROTOCOLS.length).waitFor();
}

export async function text(locator: Locator): Promise<string> {
  return String(await locator.textContent())
    .replaceAll(/\s+/g, " ")
    .trim();
}

export function find(exchanges: (text: string) => RecordedExchange[], protocol: Protocol): RecordedExchange {
  const type = {
    "connect-json": "application/json",
    "connect-binary": "application/proto",
    "grpc-web": "application/grpc-web+proto",
  };
  const found = exchanges(PROCEDURE).find(({ request }) =>
    protocol === "connect-get"
      ? request.start.startsWith("GET ")
      : request.headers.get("content-type") === type[protocol],
  );
  assert.ok(found, `nothing crossed in ${protocol}`);
  return found;
}

export function assertOnlyRefused(problems: readonly string[]): void {
  assert.ok(problems.length > 0, "the browser did not say that anything was refused");
  for (const problem of problems) assert.match(problem, REFUSED);
}

/** Returns the bytes that a view of bytes shows. */
export async function hexOf(parts: Locator): Promise<Buffer> {
  return Buffer.from((await parts.locator(".hex").allInnerTexts()).join("").replaceAll(/\s/g, ""), "hex");
}

/** Asserts that axe finds nothing. */
export async function assertAccessible(page: BrowserPage): Promise<void> {
  await page.evaluate(AXE);
  const found = await page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary].join(" "))))`);
  assert.deepEqual(found, []);
}
