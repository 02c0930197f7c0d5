/** Everything that the documents on the server name exists: linked files and headings, scripts, flags, log events. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support/command.ts";
import { deadLinks, exists, testDocumentNames } from "../support/document-names.ts";
import { DOCUMENTS } from "../support/markdown.ts";

testDocumentNames(DOCUMENTS);

test("dead links are found", async () => {
  const text = "# A heading\n\n[a](CONTRIBUTING.md) [b](#a-heading) [c](#none) [d](none.md) [e](https://example.com)\n";
  assert.deepEqual(await deadLinks("made-up.md", text), ["made-up.md:3: #none", "made-up.md:3: none.md"]);
});

test("missing scripts, flags and files are found", () => {
  for (const text of ["npm run nothing", "--nothing 1", "tools/node.sh src/nothing.ts"])
    assert.ok(!exists(text, ["start"], true), text);
});

test("every event that operations.md describes is in the source, and every event of the source is described", async () => {
  const table = await readFile(join(ROOT, "docs/operations.md"), "utf8");
  const described = [...table.matchAll(/^\| `(\w+)` +\| (?:info|warn|error) /gm)].map(([, event = ""]) => event);
  const files = globSync("src/{server,program,telemetry}/**/*.ts", { cwd: ROOT });
  const sources = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
  const logged = sources.flatMap((source) =>
    [...source.matchAll(/\blevel: [^\n]*,\s*event: "(\w+)"|\bfail\([\w.]+, "(\w+)"/g)].map(([, a, b]) => a ?? b ?? ""),
  );
  assert.ok(logged.length >= 8, String(logged.length));
  assert.deepEqual([...new Set(described)].sort(), [...new Set(logged)].sort());
});
