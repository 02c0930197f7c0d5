/** Tests `--version` with real programs in folders of their own. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT, run } from "../support/command.ts";

const NODE = `node ${process.versions.node}`;
const RUN = pathToFileURL(join(ROOT, "src/program/run.ts")).href;
const MAIN = `import { run } from ${JSON.stringify(RUN)};\nawait run({ routes() {} });\n`;
const PACKAGE = JSON.stringify({ name: "@acme/some", version: "1.2.3" });

/** Writes the files into a folder of their own, and runs `script` with `--version`. Returns the output. */
async function printedBy(t: TestContext, files: Readonly<Record<string, string>>, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "version-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  await mkdir(join(folder, "bin"));
  await symlink("../app/src/main.mjs", join(folder, "bin/some"));
  const { code, stdout, stderr } = await run("node", [join(folder, script), "--version"]);
  assert.equal(code, 0, stderr);
  return stdout;
}

test("--version prints the name and version of the nearest package.json above the main script", async (t) => {
  const above = JSON.stringify({ name: "above", version: "9.9.9" });
  const files = { "app/src/main.mjs": MAIN, "app/package.json": PACKAGE, "package.json": above };
  assert.equal(await printedBy(t, files, "app/src/main.mjs"), `@acme/some 1.2.3 (${NODE})\n`);
});

test("--version follows the link through which a program was started", async (t) => {
  const files = { "app/src/main.mjs": MAIN, "app/package.json": PACKAGE };
  assert.equal(await printedBy(t, files, "bin/some"), `@acme/some 1.2.3 (${NODE})\n`);
});

test("--version passes over a package.json without a name or a version, or that is not JSON", async (t) => {
  const files = { "app/src/main.mjs": MAIN, "package.json": PACKAGE };
  for (const nearest of ['{ "type": "module" }', '{ "name": "some" }', "null", "{"]) {
    const found = await printedBy(t, { ...files, "app/package.json": nearest }, "app/src/main.mjs");
    assert.equal(found, `@acme/some 1.2.3 (${NODE})\n`, nearest);
  }
});

test("--version without a package.json prints the version of Node", async (t) => {
  assert.equal(await printedBy(t, { "app/src/main.mjs": MAIN }, "app/src/main.mjs"), `${NODE}\n`);
});

test("--version prints the text of the option version", async (t) => {
  const main = MAIN.replace("routes() {}", 'version: "some 3 of today", routes() {}');
  assert.equal(
    await printedBy(t, { "app/src/main.mjs": main, "package.json": PACKAGE }, "app/src/main.mjs"),
    "some 3 of today\n",
  );
});
