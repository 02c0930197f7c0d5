/**
 * Tests that long connections behind a balancer of connections reach a second server when it starts, if connections have a
 * maximum age. The balancer is HAProxy in TCP mode, which checks /healthz.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { retryRefused } from "../../src/server/retry-refused.ts";
import { findJudge } from "../support/judge.ts";
import { freePort } from "../support/prometheus.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const CLIENTS = 8;
/** The least number of clients at each server that share the load. */
const LEAST = 3;
const AGE_MS = 1_000;

/** Starts HAProxy in front of two ports, and returns its own "host:port". */
async function startBalancer(t: TestContext, haproxy: string, ports: readonly number[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "balancer-"));
  t.after(() => rm(folder, { recursive: true }));
  const authority = `127.0.0.1:${await freePort()}`;
  const servers = ports.map((port, i) => `  server s${i} 127.0.0.1:${port} check inter 100ms fall 3 rise 1`).join("\n");
  const config = `defaults
  mode tcp
  option redispatch 1
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout check 5s
listen balancer
  bind ${authority}
  balance leastconn
  option httpchk GET /healthz
${servers}
`;
  await writeFile(join(folder, "haproxy.cfg"), config);
  const child = spawn(haproxy, ["-db", "-f", join(folder, "haproxy.cfg")], { stdio: "ignore" });
  t.after(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  for (let tries = 0; ; tries++) {
    try {
      (await connectTo(authority)).destroy();
      return authority;
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(50);
    }
  }
}

/** Calls all the time over one connection at a time. */
class BusyClient {
  /** The server that responded to the newest call. Empty before the first response. */
  server = "";
  readonly failures: unknown[] = [];

  async run(authority: string, stop: AbortSignal): Promise<void> {
    const { say } = createClient(
      Echo,
      createGrpcTransport({ baseUrl: `http://${authority}`, interceptors: [retryRefused] }),
    );
    while (!stop.aborted) {
      try {
        this.server = (await say({ value: "" })).value;
      } catch (error) {
        this.failures.push(error);
      }
      await sleep(10);
    }
  }
}

/** Waits until `isTrue` returns true, but for `ms` at most. */
async function until(isTrue: () => boolean, ms: number): Promise<void> {
  for (const end = performance.now() + ms; !isTrue() && performance.now() < end; ) await sleep(20);
}

for (const { maxConnectionAgeMs, spreads } of [
  { maxConnectionAgeMs: AGE_MS, spreads: true },
  { maxConnectionAgeMs: Infinity, spreads: false },
]) {
  const outcome = spreads ? "share the second server" : "stay at the first server";
  test(`${CLIENTS} connections ${outcome} at a maximum age of ${maxConnectionAgeMs} ms, and no call is lost`, async (t) => {
    const haproxy = findJudge(t, "haproxy");
    if (haproxy === undefined) return;
    const options = (name: string) => ({
      limits: { maxConnectionAgeMs },
      routes: echoRoutes({ say: () => ({ value: name }) }),
    });
    const first = await startServer(t, options("first"));
    const secondPort = await freePort();
    const authority = await startBalancer(t, haproxy, [first.port, secondPort]);
    const stop = new AbortController();
    const clients = Array.from({ length: CLIENTS }, () => new BusyClient());
    const runs = clients.map((client) => client.run(authority, stop.signal));
    const at = (name: string): number => clients.filter(({ server }) => server === name).length;
    await until(() => at("first") === CLIENTS, 10_000);
    const second = await startServer(t, options("second"));
    await second.server.listen({ host: "127.0.0.1", port: secondPort });
    if (spreads) await until(() => at("second") >= LEAST && at("first") >= LEAST, 15 * AGE_MS);
    else await sleep(4 * AGE_MS);
    stop.abort();
    await Promise.all(runs);
    assert.deepEqual(
      clients.flatMap(({ failures }) => failures),
      [],
    );
    if (spreads) assert.ok(at("second") >= LEAST && at("first") >= LEAST, `${at("second")} at the second server`);
    else assert.equal(at("first"), CLIENTS);
  });
}
