/** The commands of the documents on the service run, their code compiles, and everything that they name exists. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ENV, ROOT, run } from "../support/command.ts";
import { testDocumentNames } from "../support/document-names.ts";
import { testDocuments } from "../support/documents.ts";
import { SERVICE_DOCUMENTS } from "../support/markdown.ts";

testDocuments(SERVICE_DOCUMENTS, {
  files: ["test/service/post"],
  withPorts: ["src/client/arguments.ts", "test/service/post/client.py"],
});
testDocumentNames(SERVICE_DOCUMENTS);

test("the README has commands, code, links and a small picture", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  for (const part of ["```sh\n", "```ts\n", "](", 'src="docs/page.png"']) assert.ok(readme.includes(part), part);
  assert.ok((await stat(join(ROOT, "docs/page.png"))).size < 150_000);
});

test("the README starts and tests with one line each, over scripts that exist, and CI runs the second", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)\n```/gm)].map(([, text]) => text);
  assert.deepEqual(blocks.slice(0, 2), ["npm ci && npm start", "npm test"]);
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  assert.ok("start" in scripts && "test" in scripts);
  assert.match(await readFile(join(ROOT, ".ci/run"), "utf8"), /^npm ci\n(?:.*\n)*npm test$/m);
});

test("an unknown key in the user's ~/.npmrc adds nothing to what a line of the README prints", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "npmrc-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "npmrc"), "nonsense=1\n");
  const env = { ...ENV, NPM_CONFIG_USERCONFIG: join(folder, "npmrc"), npm_config_update_notifier: "false" };
  const { code, stderr } = await run("npx", ["buf", "--version"], { env });
  assert.deepEqual([code, stderr], [0, ""]);
});
