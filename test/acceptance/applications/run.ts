/**
 * Packs the server, installs it in five applications, and runs their tests, which are the same on connect-node and on this
 * server: `tools/node.sh test/acceptance/applications/run.ts`, or with the names of some. Works in a copy of the repository,
 * and runs the commands of the examples' READMEs there.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { ENV, ROOT, run as runProgram } from "../../support/command.ts";
import { codeBlocks } from "../../support/markdown.ts";
import { killGroup, startProcessIn } from "../../support/process.ts";

const HERE = "test/acceptance/applications";
const EXAMPLES = ["eliza", "fastify", "express"].map((name) => `examples/${name}`);
const APPLICATIONS = [...EXAMPLES, `${HERE}/nest`, `${HERE}/hono`];
/** The rules of its contract are in a registry, so that its code is not generated again. */
const NOT_GENERATED = `${HERE}/hono`;
const TIMEOUT_MS = 300_000;

/** Without this, curl succeeds if it gets an error. grpcurl is not on every machine. */
const CALLS_FAIL =
  'set -e; curl() { command curl -sS --fail "$@"; }; command -v grpcurl >/dev/null || grpcurl() { :; }';

const PROGRAMS = [dirname(process.execPath), ENV.PATH].join(delimiter);
const PERSON = { ...ENV, PATH: PROGRAMS, PORT: "0", NODE_TEST_CONTEXT: undefined };

const chosen = process.argv.slice(2);
const copy = await mkdtemp(join(tmpdir(), "applications-"));

test("the applications", { timeout: TIMEOUT_MS }, async (t) => {
  t.after(() => rm(copy, { recursive: true }));
  await copyRepository();
  await run(".", "npm run package");
  for (const folder of APPLICATIONS.filter((path) => chosen.length === 0 || chosen.some((name) => path.endsWith(name))))
    await t.test(folder, { timeout: TIMEOUT_MS }, (t) => check(t, folder));
});

async function check(t: TestContext, folder: string): Promise<void> {
  if (EXAMPLES.includes(folder)) await checkReadme(t, folder);
  else await run(folder, "npm install");
  if (folder !== NOT_GENERATED) {
    await run(folder, "npm run generate");
    await run(".", `diff -r '${join(ROOT, folder, "gen")}' '${folder}/gen'`);
  }
  await run(folder, "npm test");
}

/** Runs the commands of the README that start the server and call it, and compares its diff with the two servers. */
async function checkReadme(t: TestContext, folder: string): Promise<void> {
  const blocks = codeBlocks(await readFile(join(copy, folder, "README.md"), "utf8"));
  const [start, calls] = blocks.filter(({ language }) => language === "sh");
  const diff = blocks.find(({ language }) => language === "diff");
  assert.ok(start !== undefined && calls !== undefined && diff !== undefined);
  const { child, authority, exit } = await startProcessIn(t, copy, PERSON, "sh", "-c", start.text);
  await run(".", `${CALLS_FAIL}\n${calls.text.replaceAll("127.0.0.1:8080", authority)}`);
  killGroup(child, "SIGTERM");
  await exit;
  for (const [file, sign] of [
    ["before.ts", "-"],
    ["server.ts", "+"],
  ] as const)
    assert.ok(
      (await readFile(join(copy, folder, file), "utf8")).endsWith(side(diff.text, sign)),
      `the diff has ${file}`,
    );
}

/** Returns the lines of one side of a diff. */
function side(diff: string, sign: "-" | "+"): string {
  const lines = diff.split("\n").filter((line) => !/^(---|\+\+\+) /.test(line));
  return lines
    .flatMap((line) => (line.startsWith(sign) || line.startsWith(" ") ? [`${line.slice(1)}\n`] : []))
    .join("");
}

/** Copies the files that git does not ignore, and links the packages. */
async function copyRepository(): Promise<void> {
  const { stdout } = await runProgram("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  for (const path of stdout.split("\0"))
    if (path !== "" && existsSync(join(ROOT, path))) await cp(join(ROOT, path), join(copy, path));
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
}

/** Runs a command of a shell. Throws if it fails. */
async function run(folder: string, command: string): Promise<void> {
  const started = performance.now();
  const options = { cwd: join(copy, folder), env: PERSON, timeout: TIMEOUT_MS };
  const { code, stdout, stderr } = await runProgram("sh", ["-c", command], options);
  assert.equal(code, 0, `${folder}: ${command}\n${stdout}${stderr}`);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${folder}: ${command.split("\n")[0]}`);
}
