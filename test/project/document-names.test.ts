/** Everything that README and docs name exists: linked files and headings, scripts, flags, source files, log entries. */
import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { SETTINGS } from "../../src/program/config.ts";
import { ROOT } from "../support/command.ts";
import { anchors, codeSpans, DOCUMENTS, linkTargets } from "../support/markdown.ts";

/** The flags of the server. */
const FLAGS = new Set([
  "help",
  ...[...Object.values(SETTINGS), ...LIMIT_SETTINGS].map(({ flag }) => flag),
  "no-reflection",
]);

for (const name of DOCUMENTS) {
  test(`the links of ${name}`, async () => {
    assert.deepEqual(await deadLinks(name, await readFile(join(ROOT, name), "utf8")), []);
  });
}

test("dead links are found", async () => {
  const text = "# A heading\n\n[a](README.md) [b](#a-heading) [c](#none) [d](none.md) [e](https://example.com)\n";
  assert.deepEqual(await deadLinks("made-up.md", text), ["made-up.md:3: #none", "made-up.md:3: none.md"]);
});

test("every script, flag and file in the text exists", async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const missing = async (name: string): Promise<string[]> =>
    codeSpans(await readFile(join(ROOT, name), "utf8"))
      .filter(({ text }) => !exists(text, Object.keys(scripts), name !== "CONTRIBUTING.md"))
      .map(({ line, text }) => `${name}:${line}: ${text}`);
  assert.deepEqual((await Promise.all(DOCUMENTS.map(missing))).flat(), []);
  for (const text of ["npm run nothing", "--nothing 1", "tools/node.sh src/nothing.ts"])
    assert.ok(!exists(text, ["start"], true), text);
});

test("every log entry that operations.md describes is in the source, and every entry of the source is described", async () => {
  const table = await readFile(join(ROOT, "docs/operations.md"), "utf8");
  const described = [...table.matchAll(/^\| `([^`]+): \.\.\.`|^\| `([^`]+?),? \.\.\.`/gm)].map(([, a, b]) =>
    entryWords(a ?? b ?? ""),
  );
  const files = globSync("src/server/**/*.ts", { cwd: ROOT });
  const sources = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
  const logged = sources.flatMap((source) =>
    [...source.matchAll(/[lL]og\((?:[\w."]+,\s*)?["`]([^"`]+)/g)].map(([, entry = ""]) => entryWords(entry)),
  );
  assert.ok(logged.length >= 8, String(logged.length));
  assert.deepEqual([...new Set(described)].sort(), [...new Set(logged)].sort());
});

/** Returns the first words of a log entry, up to the first part that varies. */
function entryWords(entry: string): string {
  return entry.split(/\$\{| [A-Z]{4,}|[:,] /)[0]?.trim() ?? "";
}

/** False if the text of a code span names a script, a flag of the server or a file that does not exist. */
function exists(text: string, scripts: readonly string[], isServers: boolean): boolean {
  const [, script] = /^npm run ([\w-]+)/.exec(text) ?? [];
  if (script !== undefined) return scripts.includes(script);
  const [, flag] = /^--([\w-]+)/.exec(text) ?? [];
  if (flag !== undefined) return !isServers || FLAGS.has(flag);
  const files = text.split(" ").filter((word) => /^(?:src|proto|test|tools|docs|web)\/[\w/.-]+\.\w+$/.test(word));
  return files.every((file) => existsSync(join(ROOT, file)));
}

/** Returns the links to files and headings that do not exist. */
async function deadLinks(name: string, markdown: string): Promise<string[]> {
  const dead: string[] = [];
  for (const { text, line } of linkTargets(markdown)) {
    if (/^https?:/.test(text)) continue;
    const [file = "", anchor] = text.split("#");
    const path = file === "" ? name : relative("", join(dirname(name), file));
    const target = path === name ? markdown : existsSync(join(ROOT, path)) && (await readText(join(ROOT, path)));
    const found = target !== false && (anchor === undefined || anchors(target).has(anchor));
    if (!found) dead.push(`${name}:${line}: ${text}`);
  }
  return dead;
}

async function readText(path: string): Promise<string> {
  return (await stat(path)).isFile() ? readFile(path, "utf8") : "";
}
