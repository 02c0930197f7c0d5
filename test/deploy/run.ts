/**
 * Tests deploy/ with components whose build takes long: `npm run deploy-test -- kubernetes` in a cluster of one node, and with
 * `--validate` the manifests alone, by an API server. Writes the result to a file that is committed.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { CLIENTS } from "../restart/clients.ts";
import { ROOT, run } from "../support/command.ts";
import { findProgram } from "../support/judge.ts";
import { IMAGE_TOOLS } from "./support/image.ts";
import { buildImages } from "./support/kubernetes/images.ts";
import { digestOf, MANIFESTS, TESTED, VALIDATED } from "./support/kubernetes/manifests.ts";
import { build, definitions, definitionVersions, versions } from "./support/kubernetes/modules.ts";
import { removeCgroup } from "./support/kubernetes/node.ts";
import { runInSandbox } from "./support/kubernetes/sandbox.ts";

const USAGE = `usage: npm run deploy-test -- kubernetes [--validate]
Tests deploy/kubernetes in a cluster of one node, as root. --validate only validates the manifests, by an API server.
CONTRIBUTING.md lists the programs that it needs. It builds Kubernetes at its first run, which takes 10 to 30 minutes.`;

const SUPPORT = join(ROOT, "test/deploy/support/kubernetes");
const VALIDATE_MS = 10 * 60_000;
const TEST_MS = 30 * 60_000;
const PROGRAMS = ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns"];

try {
  await main();
} catch (error) {
  console.error(`deploy-test: ${(error as Error).message}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { validate: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  if (values.help) console.log(USAGE);
  else if (positionals.join() === "kubernetes") await inFolder(values.validate ? validateManifests : testCluster);
  else {
    console.error(USAGE);
    process.exitCode = 2;
  }
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "deploy-test-"));
  try {
    await test(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws if one of these programs is missing. Each is from a package of Debian, except those of .ci/run. */
function need(...programs: readonly string[]): void {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) throw new Error(`find programs on PATH: without ${missing.join(", ")}`);
}

async function validateManifests(folder: string): Promise<void> {
  need("go", "etcd", "unshare", "ip");
  const input = { folder, programs: build("kube-apiserver", "kubectl"), definitions: definitions() };
  await runAndWrite("validate.ts", input, VALIDATE_MS, VALIDATED, { ...versions("etcd"), ...definitionVersions() });
}

async function testCluster(folder: string): Promise<void> {
  need("go", "etcd", "unshare", "ip", "containerd", "runc", "iptables", "conntrack", "catatonit", ...IMAGE_TOOLS);
  const absent = CLIENTS.find((client) => client.absent !== undefined);
  if (absent !== undefined) throw new Error(`run the client ${absent.name}: ${absent.absent}`);
  if (process.getuid?.() !== 0) throw new Error("make a node of this machine: only root may");
  const programs = build("kube-apiserver", "kubectl", ...PROGRAMS);
  const cgroup = `deploy-test-${process.pid}`;
  const input = { folder, programs, images: await buildImages(folder), cgroup };
  try {
    await runAndWrite("cluster.ts", input, TEST_MS, TESTED, versions("etcd", "containerd", "runc", "coredns"));
  } finally {
    await removeCgroup(cgroup);
  }
}

/** Runs a module of SUPPORT in the sandbox, and writes its result with the digest of the manifests, the date and the versions. */
async function runAndWrite(
  module: string,
  input: { readonly folder: string },
  limitMs: number,
  path: string,
  used: Readonly<Record<string, string>>,
): Promise<void> {
  const digest = digestOf(MANIFESTS);
  const date = new Date().toISOString().slice(0, 10);
  const output = join(input.folder, "result.json");
  await runInSandbox(join(SUPPORT, module), { ...input, output }, limitMs);
  const result = { digest, date, versions: used, ...JSON.parse(await readFile(output, "utf8")) };
  await writeFile(path, JSON.stringify(result));
  await run("biome", ["format", "--write", path]); // `npm run lint` checks the format
  console.log(`wrote ${relative(ROOT, path)}`);
}
