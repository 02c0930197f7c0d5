/**
 * Measures what the model of scale.md assumes or predicts, on this machine, and writes measured.json. The arguments
 * "connections", "splits" and "rollouts" select parts; the others stay as they are. Needs Linux, haproxy and openssl.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BalancedServers } from "./balanced-servers.ts";
import { measureConnection } from "./measure-connections.ts";
import type { Policy } from "./model.ts";
import { POLICIES } from "./scenarios.ts";
import { average, type Measured, median, newShareAt, ROLLOUT, SPLIT } from "./split.ts";

/** Connections that each run skips more than the one before it. The number is prime. */
const SKIPPED = 37;
const FILE = join(import.meta.dirname, "measured.json");

/** Runs the plan SPLIT once behind HAProxy. Adds server 0 when the others have their connections. */
async function measureSplit(folder: string, policy: Policy, run: number) {
  const { connections, servers: count, ageSeconds, newShareAfter, samples } = SPLIT;
  const ageMs = ageSeconds * 1e3;
  const first = Array.from({ length: count - 1 }, (_, i) => i + 1);
  const servers = await BalancedServers.start(folder, policy, { count, first, maxConnectionAgeMs: ageMs });
  const loads = () => [0, ...first].map((number) => servers.loadOf(number));
  try {
    await servers.skip(SKIPPED * run);
    await servers.addClients(connections, ageMs); // the ages differ, as in a service that has run for long
    await servers.addServer(0);
    const from = performance.now();
    const after = (ages: number) => sleep(Math.max(1, from + ages * ageMs - performance.now()));
    const newShare: number[] = [];
    for (const ages of newShareAfter) {
      await after(ages);
      newShare.push(newShareAt(loads()));
    }
    const peaks: number[] = [];
    for (let i = 1; i <= samples; i++) {
      await after((newShareAfter.at(-1) as number) + 1.1 * i);
      peaks.push((Math.max(...loads()) * count) / connections);
    }
    await servers.stopClients();
    return { newShare, peak: average(peaks), calls: servers.calls };
  } finally {
    await servers.close();
  }
}

/** Runs the plan ROLLOUT once behind HAProxy. Server i + replicas replaces server i. */
async function measureRollout(folder: string, policy: Policy, run: number) {
  const { replicas, perReplica } = ROLLOUT;
  const old = Array.from({ length: replicas }, (_, i) => i);
  const options = { count: 2 * replicas, first: old, maxConnectionAgeMs: Infinity };
  const servers = await BalancedServers.start(folder, policy, options);
  try {
    await servers.skip(SKIPPED * run);
    await servers.addClients(replicas * perReplica, 1_000);
    let peak = 0;
    for (const number of old) {
      await servers.addServer(number + replicas);
      await servers.removeServer(number);
      peak = Math.max(peak, ...servers.loads());
    }
    const last = servers.loadOf(2 * replicas - 1);
    await servers.stopClients();
    return { peak: peak / perReplica, lastShare: last / perReplica, calls: servers.calls };
  } finally {
    await servers.close();
  }
}

/** Measures `runs` times with each policy. */
async function measureAll<T, S>(
  runs: number,
  measure: (policy: Policy, run: number) => Promise<T>,
  summarize: (all: readonly T[]) => S,
): Promise<Record<Policy, S>> {
  const results: Partial<Record<Policy, S>> = {};
  for (const policy of POLICIES) {
    const all: T[] = [];
    for (let run = 0; run < runs; run++) all.push(await measure(policy, run));
    results[policy] = summarize(all);
  }
  return results as Record<Policy, S>;
}

async function measureParts(folder: string, parts: readonly string[]): Promise<Partial<Measured>> {
  const selects = (part: string) => parts.length === 0 || parts.includes(part);
  const measured: Partial<{ -readonly [Key in keyof Measured]: Measured[Key] }> = {};
  if (selects("connections")) {
    const plain = await measureConnection(folder, false);
    const tls = await measureConnection(folder, true);
    measured.connectionMicroseconds = plain.microseconds;
    measured.connectionBytes = plain.bytes;
    measured.tlsConnectionMicroseconds = tls.microseconds;
    measured.tlsConnectionBytes = tls.bytes;
  }
  if (selects("splits"))
    measured.splits = await measureAll(
      SPLIT.runs,
      (policy, run) => measureSplit(folder, policy, run),
      (all) => ({
        newShare: SPLIT.newShareAfter.map((_, i) => average(all.map(({ newShare }) => newShare[i] as number))),
        peak: average(all.map(({ peak }) => peak)),
        calls: all.reduce((sum, { calls }) => sum + calls, 0),
      }),
    );
  if (selects("rollouts"))
    measured.rollouts = await measureAll(
      ROLLOUT.runs,
      (policy, run) => measureRollout(folder, policy, run),
      (all) => ({
        peak: median(all.map(({ peak }) => peak)),
        lastShare: median(all.map(({ lastShare }) => lastShare)),
        calls: all.reduce((sum, { calls }) => sum + calls, 0),
      }),
    );
  return measured;
}

const folder = await mkdtemp(join(tmpdir(), "scale-"));
try {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  execFileSync("openssl", ["req", "-x509", ...key, ...names, ...files], { stdio: "ignore" });
  const known: Partial<Measured> = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : {};
  const measured = {
    ...known,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown processor"}, Node ${process.version}`,
    ...(await measureParts(folder, process.argv.slice(2))),
  };
  writeFileSync(FILE, `${JSON.stringify(measured, undefined, 2)}\n`);
} finally {
  await rm(folder, { recursive: true });
}
