/**
 * Tests deploy/kubernetes without a cluster: the manifests are those that an API server validated, their settings and times fit
 * the program, and certificates are loaded again. test/deploy/run.ts tests them in a cluster.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMIT_SETTINGS } from "../../src/cli/limit-settings.ts";
import { readConfig } from "../../src/program/config.ts";
import { SETTINGS } from "../../src/program/settings.ts";
import { AUTHORITY, type Certified, LOOPBACK, SERVER } from "../support/certificates.ts";
import { ENV, ROOT } from "../support/command.ts";
import { absent, findJudge } from "../support/judge.ts";
import { MAIN, type RunningProcess, startProcessIn } from "../support/process.ts";
import {
  digestOf,
  MANIFESTS,
  TEST_COMMAND,
  TESTED,
  VALIDATE_COMMAND,
  VALIDATED,
} from "./support/kubernetes/manifests.ts";
import { runInSandbox } from "./support/kubernetes/sandbox.ts";
import { WRITTEN } from "./support/kubernetes/write-files.ts";

const DEPLOYMENT = readFileSync(join(MANIFESTS, "base/deployment.yaml"), "utf8");
const BASE = readFileSync(join(MANIFESTS, "base/kustomization.yaml"), "utf8");
const EXAMPLE = readFileSync(join(MANIFESTS, "overlays/example/kustomization.yaml"), "utf8");
const AUTOSCALER = readFileSync(join(MANIFESTS, "base/horizontal-pod-autoscaler.yaml"), "utf8");
/** The time in which telemetry may be sent after the drain. */
const TELEMETRY_MS = 2_000;

test("the manifests are those that an API server has validated", () => {
  const { digest } = JSON.parse(readFileSync(VALIDATED, "utf8"));
  assert.equal(
    digestOf(MANIFESTS),
    digest,
    `deploy/kubernetes has changed: run ${VALIDATE_COMMAND}, and commit its result`,
  );
});

test("the manifests are those of the last test in a cluster", () => {
  const { digest } = JSON.parse(readFileSync(TESTED, "utf8"));
  const message = `deploy/kubernetes has changed: run ${TEST_COMMAND}, and commit its result`;
  assert.equal(digestOf(MANIFESTS), digest, message);
});

test("the document has the figures of the last test in a cluster", () => {
  const { date, rollouts } = JSON.parse(readFileSync(TESTED, "utf8"));
  const { calls, lost, lostByClose } = rollouts;
  const document = readFileSync(join(ROOT, "docs/operations.md"), "utf8").replaceAll(/\s+/g, " ");
  const figures = `lost ${lost} of ${calls.toLocaleString("en")} calls; ${lostByClose} more were dropped`;
  assert.ok(document.includes(figures), `docs/operations.md must say: ${figures}`);
  assert.ok(document.includes(`of ${date})`), `docs/operations.md must have the date ${date}`);
});

test("a changed, a renamed and a new file of the manifests change the digest", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "manifests-"));
  t.after(() => rm(folder, { recursive: true }));
  await cp(MANIFESTS, folder, { recursive: true });
  const digests = new Set([digestOf(MANIFESTS), digestOf(folder)]);
  assert.equal(digests.size, 1);
  await writeFile(join(folder, "base/deployment.yaml"), DEPLOYMENT.replace("maxUnavailable: 0", "maxUnavailable: 1"));
  digests.add(digestOf(folder));
  await rename(join(folder, "base/services.yaml"), join(folder, "base/service.yaml"));
  digests.add(digestOf(folder));
  await writeFile(join(folder, "base/empty.yaml"), "");
  assert.equal(digests.add(digestOf(folder)).size, 4);
});

/** Returns the problems of a Deployment, of the settings of its kustomization, and of the HorizontalPodAutoscaler. */
function problems(deployment: string, settings: string, autoscaler: string): string[] {
  const env = Object.fromEntries(
    settings.matchAll(/^ {6}- ([A-Z_]+)=(\S+)/gm).map(([, name = "", value = ""]) => [name, value]),
  );
  const { delayMs = 0, graceMs, port, adminPort, host, adminHost, limits } = readConfig([], env);
  const [, windowSeconds] = /^ +stabilizationWindowSeconds: (\d+)/m.exec(autoscaler) ?? [];
  const known = new Set([...Object.values(SETTINGS), ...LIMIT_SETTINGS].map(({ env: name }) => name));
  const [, graceSeconds] = /^ +terminationGracePeriodSeconds: (\d+)$/m.exec(deployment) ?? [];
  const ports = deployment
    .matchAll(/- name: (\w+)\n +containerPort: (\d+)/g)
    .map(([, name, number]) => `${name} ${number}`);
  const [, scraped] = /prometheus.io\/port: "(\d+)"/.exec(deployment) ?? [];
  return [
    ...Object.keys(env)
      .filter((name) => !known.has(name))
      .map((name) => `${name} is unknown to the program`),
    ...(Number(graceSeconds) * 1_000 > delayMs + graceMs + TELEMETRY_MS
      ? []
      : ["SIGKILL can come before the end of the drain"]),
    ...([...ports].join() === `grpc ${port},admin ${adminPort}` ? [] : ["the ports are not those of the settings"]),
    ...(Number(scraped) === adminPort ? [] : ["Prometheus scrapes another port"]),
    ...(host === "0.0.0.0" && adminHost === "0.0.0.0" ? [] : ["kubelet cannot reach a port"]),
    ...(Number(windowSeconds) * 1_000 === 2 * limits.maxConnectionAgeMs
      ? []
      : ["pods are removed before the load has spread"]),
  ];
}

test("the settings are those of the program, and the times and ports of the Deployment fit them", () => {
  assert.deepEqual(problems(DEPLOYMENT, BASE, AUTOSCALER), []);
  assert.deepEqual(problems(DEPLOYMENT, BASE + EXAMPLE, AUTOSCALER), []);
});

for (const { change, deployment = DEPLOYMENT, settings = BASE, problem } of [
  {
    change: "a grace period of the shutdown's own length",
    deployment: DEPLOYMENT.replace("PeriodSeconds: 30", "PeriodSeconds: 17"),
    problem: "SIGKILL can come before the end of the drain",
  },
  {
    change: "a longer delay",
    settings: BASE.replace("DRAIN_DELAY_MS=5000", "DRAIN_DELAY_MS=20s"),
    problem: "SIGKILL can come before the end of the drain",
  },
  {
    change: "a misspelt variable",
    settings: BASE.replace("DRAIN_DELAY_MS=", "DRAIN_DELAYS_MS="),
    problem: "DRAIN_DELAYS_MS is unknown to the program",
  },
  {
    change: "another port",
    settings: BASE.replace("=50051", "=8080"),
    problem: "the ports are not those of the settings",
  },
  {
    change: "another port of metrics",
    deployment: DEPLOYMENT.replace('port: "9464"', 'port: "50051"'),
    problem: "Prometheus scrapes another port",
  },
  {
    change: "another age of connections in the example",
    settings: BASE + EXAMPLE.replace("TRUSTED_PROXIES=10.1.2.0/24", "MAX_CONNECTION_AGE_MS=10m"),
    problem: "pods are removed before the load has spread",
  },
  {
    change: "a host of loopback",
    settings: BASE.replace("- HOST=0.0.0.0", "- HOST=127.0.0.1"),
    problem: "kubelet cannot reach a port",
  },
]) {
  test(`${change} is found`, () => assert.deepEqual(problems(deployment, settings, AUTOSCALER), [problem]));
}

test("a node writes into no folder of the machine, and without keepWrites it does", async (t) => {
  if (findJudge(t, "unshare") === undefined || findJudge(t, "ip") === undefined) return;
  if (process.getuid?.() !== 0) return absent(t, "only root can mount over /var/log");
  const module = join(import.meta.dirname, "support/kubernetes/write-files.ts");
  const name = `deploy-test-${process.pid}`;
  const paths = WRITTEN.map((folder) => join(folder, name));
  t.after(() => Promise.all(paths.map((path) => rm(path, { force: true }))));
  await runInSandbox(module, { name, isKept: true }, 30_000);
  assert.deepEqual(paths.filter(existsSync), []);
  await runInSandbox(module, { name, isKept: false }, 30_000);
  assert.deepEqual(paths.filter(existsSync), paths);
});

/** Writes a volume as kubelet does: the files are in a folder of this version, to which the link ..data points. */
async function writeVolume(folder: string, version: string, { cert, key }: Certified): Promise<void> {
  await mkdir(join(folder, version));
  await writeFile(join(folder, version, "tls.crt"), cert);
  await writeFile(join(folder, version, "tls.key"), key);
  await symlink(version, join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
}

async function startWithSecret(t: TestContext, folder: string, nodeOptions: string): Promise<RunningProcess> {
  const env = {
    ...ENV,
    TLS_CERT: join(folder, "tls.crt"),
    TLS_KEY: join(folder, "tls.key"),
    NODE_OPTIONS: nodeOptions,
  };
  return startProcessIn(t, ROOT, env, "node", MAIN, "--port", "0", "--log-format", "text");
}

test("a renewed Secret is loaded with reload-tls.mjs, and not without", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "secret-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["tls.crt", "tls.key"]) await symlink(`..data/${name}`, join(folder, name));
  await writeVolume(folder, "..1", SERVER);
  const reload = `--import=${join(MANIFESTS, "components/tls/reload-tls.mjs")}`;
  const [reloads, keeps] = await Promise.all([startWithSecret(t, folder, reload), startWithSecret(t, folder, "")]);
  const loads = ({ stdout }: RunningProcess): number => [...stdout().matchAll(/^loaded certificate /gm)].length;
  const before = { reloads: loads(reloads), keeps: loads(keeps) };
  await writeVolume(folder, "..2", await AUTHORITY.issue({ subject: "CN=renewed", names: LOOPBACK }));
  while (loads(reloads) === before.reloads) await sleep(50);
  assert.equal(loads(keeps), before.keeps);
});
