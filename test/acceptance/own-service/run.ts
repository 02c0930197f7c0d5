/**
 * Makes the repository of another service, as README.md says under "Make it yours", with a realistic contract in place of
 * the first one. Checks that it is green, and calls every method: `tools/node.sh test/acceptance/own-service/run.ts`. With
 * `--all`, runs all tests there. With `--folder FOLDER`, leaves it in FOLDER/clone.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseArgs } from "node:util";
import type { DescService } from "@bufbuild/protobuf";
import { ROOT, run as runProgram } from "../../support/command.ts";
import { startProcessIn } from "../../support/process.ts";
import { createCallers } from "./callers.ts";
import { createCalls } from "./calls.ts";
import { callFromPage } from "./page.ts";

/** The contract, the service and its tests. The tests have other names here, so that `npm test` does not run them. */
const FILES = join(import.meta.dirname, "files");
const TIMEOUT_MS = 60 * 60_000;
/** The files that a person touches besides the contract and the service. */
const MAX_TOUCHED = 8;
const CONTRACT_AND_SERVICE = /^(?:proto|gen)\/|^src\/(?:eliza|appointments)\.ts$/;

/** The tests that could depend on the contract. The others call contracts of their own, as those of the page do. */
const TESTS = ["test/{service,site,project,cli}/**/*.test.ts", "test/acceptance/*process.test.ts"];

const { values: OPTIONS } = parseArgs({ options: { all: { type: "boolean" }, folder: { type: "string" } } });

const PROGRAM_PATH = (process.env.PATH ?? "").split(delimiter).filter((path) => !path.includes("node_modules"));
const USER = { NAME: "test", EMAIL: "test@example.com" };
/** The environment of a person: without the programs of this repository's packages, and with a name for commits. */
const ENV: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: PROGRAM_PATH.join(delimiter),
  ...Object.fromEntries(
    Object.entries(USER).flatMap(([name, value]) => [
      [`GIT_AUTHOR_${name}`, value],
      [`GIT_COMMITTER_${name}`, value],
    ]),
  ),
};

test("the repository of another service", { timeout: TIMEOUT_MS }, async (t) => {
  const started = performance.now();
  const folder = OPTIONS.folder ?? (await mkdtemp(join(tmpdir(), "own-service-")));
  if (OPTIONS.folder === undefined) t.after(() => rm(folder, { recursive: true }));
  const clone = join(folder, "clone");
  const run = (command: string, code = 0): Promise<string> => runIn(clone, command, code);

  await runIn(folder, `git clone --quiet '${ROOT}' clone && git -C clone checkout --quiet -B main`);
  await run("npm ci");
  await run("npm run init -- acme.eliza.v1");
  await checkGreen(run);
  await run("npm run test:service");
  await run("git add --all && git commit --quiet --message 'Start acme.eliza.v1'");

  const { count, names } = await putContract(clone, run);
  t.diagnostic(`files touched besides the contract and the service: ${count}: ${names}`);
  assert.ok(count <= MAX_TOUCHED);
  assert.match(await run("npm run breaking", 100), /RPC "Greet" on service "ElizaService" was deleted/);
  await checkGreen(run);
  await run("git add --all && git commit --quiet --message 'Talk and keep appointments'");
  await run("npm run breaking");
  await checkBreaking(clone, run);
  await run("npm run test:service");
  t.diagnostic(`minutes until the service was green: ${minutesSince(started)}`);

  await checkCalls(t, clone);
  await checkWithoutBenchmark(clone);
  await run(OPTIONS.all ? "npm test" : `tools/node.sh --test --test-timeout=60000 ${quoted(TESTS)}`);
  assert.equal(await run("git status --porcelain"), "");
  t.diagnostic(`minutes in all: ${minutesSince(started)}`);
});

type Run = (command: string, code?: number) => Promise<string>;

/** Lints, builds and generates. A second generation must not change a file. */
async function checkGreen(run: Run): Promise<void> {
  await run("npm run generate && npm run lint && npm run build");
  const before = await run("git add --all && git diff --cached");
  await run("npm run generate && npm run format && git add --all");
  assert.equal(await run("git diff --cached"), before);
}

/** Replaces the contract and the service, as a person would. Returns the other files that changed. */
async function putContract(clone: string, run: Run): Promise<{ count: number; names: string }> {
  for (const folder of ["proto", "src"]) await cp(join(FILES, folder), join(clone, folder), { recursive: true });
  for (const name of ["eliza", "appointments"])
    await cp(join(FILES, "tests", `${name}.ts`), join(clone, "test/service", `${name}.test.ts`));
  const readme = join(clone, "README.md");
  await replace(readme, "with one RPC, `Greet`", "with four RPCs");
  await replace(readme, "Hello, Ada!", "Hello, how are you");
  for (let call = 0; call < 3; call++) {
    await replace(readme, '{"name":"Ada"}', '{"sentence":{"text":"Hello"}}');
    await replace(readme, "ElizaService/Greet", "ElizaService/Say");
  }
  await run("npm run generate && npm run format");
  const changed = (await run("git add --all && git diff --cached --name-only")).trim().split("\n");
  const touched = changed.filter((path) => !CONTRACT_AND_SERVICE.test(path));
  return { count: touched.length, names: touched.join(", ") };
}

/** Removes a field of the contract. Fails unless `npm run breaking` reports that. */
async function checkBreaking(clone: string, run: Run): Promise<void> {
  await replace(join(clone, "proto/acme/eliza/v1/eliza.proto"), "  Mood heard = 2;\n", "");
  assert.match(await run("npm run breaking", 100), /field "2" with name "heard"/);
  await run("git restore proto");
}

/** Starts the server as a person does, and calls each method by each tool. */
async function checkCalls(t: TestContext, clone: string): Promise<void> {
  const { authority, child, exit } = await startProcessIn(t, clone, ENV, "npm", "start", "--", "--port", "0");
  const callers = Object.entries(createCallers(clone, await readServices(clone)));
  for (const [index, [name, call]] of callers.entries()) {
    for (const each of createCalls(index + 1)) {
      assert.deepEqual(await call(authority, each), each.responses, `${each.method} by ${name}`);
    }
    t.diagnostic(`called each method by ${name}`);
  }
  await callFromPage(t, `http://${authority}/`, createCalls(callers.length + 1));
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
}

async function readServices(clone: string): Promise<readonly DescService[]> {
  const read = async (file: string): Promise<DescService[]> =>
    Object.values((await import(join(clone, `gen/acme/eliza/v1/${file}_pb.ts`))) as Record<string, DescService>);
  const values = [...(await read("eliza")), ...(await read("appointments"))];
  return values.filter(({ kind }) => kind === "service");
}

/** Removes the benchmark, and fails unless the repository builds and lints without it. */
async function checkWithoutBenchmark(clone: string): Promise<void> {
  const copy = `${clone}-without-bench`;
  await runIn(clone, `git clone --quiet . '${copy}' && ln -s "$PWD/node_modules" '${copy}/node_modules'`);
  await runIn(copy, "echo /node_modules >>.git/info/exclude && rm -r bench && npm run build && npm run lint");
}

/** Runs a command of a shell. Returns its output. Throws if it ends with another exit code. */
async function runIn(cwd: string, command: string, expected = 0): Promise<string> {
  const started = performance.now();
  const { code, stdout, stderr } = await runProgram("sh", ["-c", command], { cwd, env: ENV, timeout: TIMEOUT_MS });
  assert.equal(code, expected, `${command}\n${stdout}${stderr}`);
  console.log(`${((performance.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${command}`);
  return stdout;
}

async function replace(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, "utf8");
  assert.ok(text.includes(from), `${path} has ${from}`);
  await writeFile(path, text.replace(from, to));
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(" ");
}

function minutesSince(started: number): string {
  return ((performance.now() - started) / 60_000).toFixed(1);
}
