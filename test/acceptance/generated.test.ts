/** Tests that the generated code is what buf generates from the contracts. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { ROOT, run } from "../support/command.ts";
import { copyRepository } from "../support/own-contract.ts";

/** The folders of generated code: that of the service, and that of the tests' contract. */
const GENERATED = ["gen", "test/gen"];

test("the generated code equals the output of npm run generate", async (t) => {
  const folder = await copyRepository(t, "test/gen");
  for (const name of GENERATED) await rm(join(folder, name), { recursive: true });
  const { code, stderr } = await run("npm", ["run", "generate"], { cwd: folder });
  assert.equal(code, 0, stderr);
  for (const name of GENERATED) assert.deepEqual(await contents(join(folder, name)), await contents(join(ROOT, name)));
});

test("a buf from elsewhere on PATH generates the same", async (t) => {
  const folder = await temporaryFolder(t);
  const { stdout } = await run("node", [
    "-p",
    "require.resolve('@bufbuild/buf-' + process.platform + '-' + process.arch + '/bin/buf')",
  ]);
  await cp(stdout.trim(), join(folder, "buf"));
  const env = {
    ...process.env,
    PATH: folder + delimiter + (process.env.PATH ?? "").split(delimiter).filter(isOfTheSystem).join(delimiter),
  };
  const { code, stderr } = await run("buf", ["generate", "-o", folder], { env });
  assert.equal(code, 0, stderr);
  assert.deepEqual(await contents(join(folder, "gen")), await contents(join(ROOT, "gen")));
});

function isOfTheSystem(folder: string): boolean {
  return !folder.includes("node_modules");
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "generated-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** Returns the text of each file, by its path below the folder. */
async function contents(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).sort();
  const texts = await Promise.all(paths.map(async (path) => [path.slice(folder.length), await readFile(path, "utf8")]));
  return Object.fromEntries(texts);
}
