/** Makes docs/page.png: builds the page, serves it, makes a call with Chromium and takes a picture of its bytes. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { routes } from "../src/routes.ts";
import { createServer } from "../src/server/server.ts";
import { readPage } from "../src/server/site/page.ts";
import { findProgram } from "../test/support/judge.ts";
import { PROTOCOLS } from "../web/call/protocol.ts";

const ROOT = join(import.meta.dirname, "..");
const PICTURE = join(import.meta.dirname, "page.png");
const VIEWPORT = { width: 960, height: 1_600 };
const MARGIN = 12;

async function main(): Promise<void> {
  execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: "inherit" });
  const server = createServer({ routes, page: readPage(join(ROOT, "web/dist")) });
  const { port } = await server.listen({ port: 0 });
  const executablePath = findProgram("chromium", "chromium-browser", "google-chrome");
  if (executablePath === undefined) throw new Error("take the picture: chromium is not on PATH");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await browser.newPage({ locale: "en", viewport: VIEWPORT });
    await page.goto(`http://127.0.0.1:${port}/`);
    await takePicture(page);
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Calls with binary protobuf, points at a byte of the request, and saves the form, the result and the bytes. */
async function takePicture(page: Page): Promise<void> {
  await page.getByLabel("Connect binary").check();
  await page.getByRole("button", { name: "Call" }).click();
  await page.locator(".sizes tbody tr").nth(PROTOCOLS.length).waitFor();
  await page.getByRole("listbox").first().locator(".part").first().hover();
  await page.getByText("Tag: field 1").first().waitFor();
  const form = await page.locator("main").boundingBox();
  const exchange = await page.locator(".exchange").boundingBox();
  if (form === null || exchange === null) throw new Error("take the picture: the page has no form or no bytes");
  const height = exchange.y + exchange.height - form.y + 2 * MARGIN;
  await page.screenshot({ path: PICTURE, clip: { x: 0, y: form.y - MARGIN, width: VIEWPORT.width, height } });
}

await main();
