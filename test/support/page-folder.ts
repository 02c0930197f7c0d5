/** A page without the build: one HTML file and one script, each in three content codings. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";

export const HTML = "<!doctype html><title>x</title>";
export const SCRIPT: string = "console.log(1);\n".repeat(50);
/** The Accept header of a browser. */
export const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

/** Makes a folder with index.html, page-1.js and another file. */
export async function makePageFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "page-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of [
    ["index.html", HTML],
    ["page-1.js", SCRIPT],
  ] as const) {
    await writeFile(join(folder, name), text);
    await writeFile(join(folder, `${name}.br`), brotliCompressSync(text));
    await writeFile(join(folder, `${name}.gz`), gzipSync(text));
  }
  await writeFile(join(folder, "notes.txt"), "not of the page");
  return folder;
}
