/** Makes docs/page.png: builds the page, serves it, makes a call with Chromium and takes a picture of the bytes. */
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
/** The width of the picture in the README. The browser has the same width, so that text is not scaled. */
const WIDTH = 720;
const MARGIN = 16;
/** Time for the browser to finish the work of the previous call, which would delay the next one. */
const SETTLE_MS = 500;

/** Styles of the picture: they hide explanations, headers, errors to try, and parts that are folded. */
const LEFT_OUT = `.lead, .languages, form .note, form .comment, form .json, .metadata, .foot, .history, section > h2 + p,
  article h4:has(+ .headers), .headers { display: none }
  h1 { margin-block-end: 1.25rem } h2 { margin-block-start: 1.5rem } .exchange { grid-template-columns: 1fr 1fr }`;

async function main(): Promise<void> {
  execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: "inherit" });
  const server = createServer({ routes, page: readPage(join(ROOT, "web/dist")) });
  const { port } = await server.listen({ port: 0 });
  const executablePath = findProgram("chromium", "chromium-browser", "google-chrome");
  if (executablePath === undefined) throw new Error("take the picture: chromium is not on PATH");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await browser.newPage({
      locale: "en",
      viewport: { width: WIDTH, height: 1_200 },
      deviceScaleFactor: 2,
      bypassCSP: true, // the page's Content-Security-Policy forbids LEFT_OUT
    });
    await page.goto(`http://127.0.0.1:${port}/`);
    await takePicture(page);
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * Makes a call in each protocol, the last one in binary protobuf. Points at a part of the request, and saves the title,
 * the form, the result and the bytes.
 */
async function takePicture(page: Page): Promise<void> {
  await page.addStyleTag({ content: LEFT_OUT });
  // The first calls take longer, because the connection and the code are new. The picture shows the
  // time of the final one.
  for (const protocol of ["Connect JSON", "Connect GET", "gRPC-Web", "Connect binary"]) {
    await page.getByLabel(protocol).check();
    await page.waitForTimeout(SETTLE_MS);
    await page.getByRole("button", { name: "Call" }).click();
    await page.locator(".sizes tbody tr").nth(PROTOCOLS.length).waitFor();
  }
  await page.getByText("Body, 4 bytes").waitFor();
  await page.getByRole("listbox").first().locator(".part").first().hover();
  await page.getByText("Tag: field 1").first().waitFor();
  const exchange = await page.locator(".exchange").boundingBox();
  if (exchange === null) throw new Error("take the picture: the page has no bytes");
  const height = exchange.y + exchange.height + MARGIN;
  await page.screenshot({ path: PICTURE, clip: { x: 0, y: 0, width: WIDTH, height } });
}

await main();
