/**
 * Tests deploy/ with components whose build takes long: `npm run deploy-test -- kubernetes` in a cluster of one node, and with
 * `--validate` the manifests alone, by an API server. Writes the result to a file that is committed.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../support/command.ts";
import { digestOf, MANIFESTS, VALIDATED } from "./support/kubernetes/manifests.ts";
import { build, definitions, versions } from "./support/kubernetes/modules.ts";
import { runInSandbox } from "./support/kubernetes/sandbox.ts";

const USAGE = `usage: npm run deploy-test -- kubernetes [--validate]
Tests deploy/kubernetes in a cluster of one node, which needs root. --validate only validates the manifests, by an API server.`;
const VALIDATE_MS = 10 * 60_000;

const { values, positionals } = parseArgs({
  options: { validate: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
  allowPositionals: true,
});
if (values.help) console.log(USAGE);
else if (positionals.join() !== "kubernetes") {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const folder = await mkdtemp(join(tmpdir(), "deploy-test-"));
  try {
    await validateManifests(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function validateManifests(folder: string): Promise<void> {
  const programs = build("kube-apiserver", "kubectl");
  const digest = digestOf(MANIFESTS);
  const output = join(folder, "validation.json");
  const inside = join(ROOT, "test/deploy/support/kubernetes/validate.ts");
  await runInSandbox(inside, { folder, programs, definitions: definitions(), output }, VALIDATE_MS);
  const result = { digest, date: today(), versions: versions("etcd"), ...JSON.parse(await readFile(output, "utf8")) };
  await writeFile(VALIDATED, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`wrote ${VALIDATED}`);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
