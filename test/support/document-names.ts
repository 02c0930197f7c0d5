/** Tests that everything that documents name exists: linked files and headings, scripts, flags, source files. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { SETTINGS, SWITCHES } from "../../src/program/settings.ts";
import { ROOT } from "./command.ts";
import { anchors, codeSpans, linkTargets } from "./markdown.ts";

/** The flags of the server. */
const FLAGS = new Set([
  "help",
  ...[...Object.values(SETTINGS), ...LIMIT_SETTINGS].map(({ flag }) => flag),
  ...SWITCHES.map((flag) => `no-${flag}`),
]);

/** Checks the links, and the names in code spans, of documents below the root. */
export function testDocumentNames(names: readonly string[]): void {
  for (const name of names) {
    test(`the links of ${name}`, async () => {
      assert.deepEqual(await deadLinks(name, await readFile(join(ROOT, name), "utf8")), []);
    });

    test(`the scripts, flags and files in the text of ${name}`, async () => {
      const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
      const missing = codeSpans(await readFile(join(ROOT, name), "utf8"))
        .filter(({ text }) => !exists(text, Object.keys(scripts), name !== "CONTRIBUTING.md"))
        .map(({ line, text }) => `${name}:${line}: ${text}`);
      assert.deepEqual(missing, []);
    });
  }
}

/** False if the text of a code span names a script, a flag of the server or a file that does not exist. */
export function exists(text: string, scripts: readonly string[], isServers: boolean): boolean {
  const [, script] = /^npm run ([\w-]+)/.exec(text) ?? [];
  if (script !== undefined) return scripts.includes(script);
  const [, flag] = /^--([\w-]+)/.exec(text) ?? [];
  if (flag !== undefined) return !isServers || FLAGS.has(flag);
  const files = text.split(" ").filter((word) => /^(?:src|proto|test|tools|docs|web)\/[\w/.-]+\.\w+$/.test(word));
  return files.every((file) => existsSync(join(ROOT, file)));
}

/** Returns the links to files and headings that do not exist. */
export async function deadLinks(name: string, markdown: string): Promise<string[]> {
  const dead: string[] = [];
  for (const { text, line } of linkTargets(markdown)) {
    if (/^https?:/.test(text)) continue;
    const [file = "", anchor] = text.split("#");
    const path = file === "" ? name : relative("", join(dirname(name), file));
    if (path.split("/")[0] === "bench" && !existsSync(join(ROOT, "bench"))) continue; // that folder may be deleted
    const target = path === name ? markdown : existsSync(join(ROOT, path)) && (await readText(join(ROOT, path)));
    const found = target !== false && (anchor === undefined || anchors(target).has(anchor));
    if (!found) dead.push(`${name}:${line}: ${text}`);
  }
  return dead;
}

async function readText(path: string): Promise<string> {
  return (await stat(path)).isFile() ? readFile(path, "utf8") : "";
}
