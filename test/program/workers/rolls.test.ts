/** Tests that workers share connections evenly, that replacing them loses no call, and that crashes are mended. */
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RestartDelay } from "../../../src/program/restart-delay.ts";
import type { RunningProcess } from "../../support/process.ts";
import { call, runs, startWorkers, until, workersOf } from "./workers.ts";

const BURSTS = 40;
const WORKERS = 4;

for (const { policy, isEven } of [
  { policy: undefined, isEven: true },
  { policy: "none", isEven: false },
]) {
  test(`${BURSTS} bursts of ${WORKERS} connections leave ${isEven ? "no worker" : "workers"} idle, with NODE_CLUSTER_SCHED_POLICY=${policy}`, async (t) => {
    const env: Record<string, string> = policy === undefined ? {} : { NODE_CLUSTER_SCHED_POLICY: policy };
    const { authority } = await startWorkers(t, [], { ...env, WORKERS: String(WORKERS) });
    let idle = 0;
    for (let i = 0; i < BURSTS; i++) {
      const pids = await Promise.all(Array.from({ length: WORKERS }, () => call(authority, 20)));
      if (new Set(pids).size < WORKERS) idle++;
    }
    if (isEven) assert.equal(idle, 0);
    else assert.ok(idle > 0);
  });
}

for (const { how, rolls, isLossless } of [
  { how: "replaced", rolls: 6, isLossless: true },
  { how: "killed", rolls: 1, isLossless: false },
]) {
  test(`200 clients that connect for each call lose ${isLossless ? "no call" : "calls"} while all workers are ${how}, ${rolls} times`, async (t) => {
    const server = await startWorkers(t);
    const before = await workersOf(server.authority);
    const seen = new Set<number>();
    const failures: unknown[] = [];
    const stop = new AbortController();
    const clients = Array.from({ length: 200 }, async (_, i) => {
      while (!stop.signal.aborted) {
        // Over HTTP/2, `send` waits for a response if the connection ends without an error.
        const version = isLossless && i % 2 === 1 ? "HTTP/2" : "HTTP/1.1";
        await call(server.authority, 20, version).then(
          (pid) => seen.add(pid),
          (error) => failures.push(error),
        );
        await sleep(Math.random() * 400);
      }
    });
    await sleep(500);
    for (let roll = 1; roll <= rolls; roll++)
      if (isLossless) await replace(server, roll);
      else for (const pid of before) process.kill(pid, "SIGKILL");
    stop.abort();
    await Promise.all(clients);
    for (const pid of before) assert.equal(runs(pid), false);
    if (!isLossless) return assert.ok(failures.length > 0);
    assert.deepEqual(failures, []);
    assert.ok(seen.size >= 2 * rolls, `${seen.size} processes`);
    server.child.kill("SIGTERM");
    assert.equal(await server.exit, 0);
    assert.equal(server.stderr(), "");
  });
}

test("a signal while workers are being replaced replaces them once more", async (t) => {
  const server = await startWorkers(t);
  const [before = 0] = await workersOf(server.authority);
  server.child.kill("SIGUSR2");
  await until(async () => !(await workersOf(server.authority, 3)).includes(before));
  for (let i = 0; i < 3; i++) server.child.kill("SIGUSR2");
  await until(() => server.stdout().match(/^replaced 2 workers$/gm)?.length === 2);
  await sleep(500);
  assert.equal(server.stdout().match(/^replaced 2 workers$/gm)?.length, 2);
});

test("a worker that is killed is replaced at once, and costs only its own calls", async (t) => {
  const { authority, stderr } = await startWorkers(t);
  const [killed = 0, other = 0] = await workersOf(authority);
  const calls = Array.from({ length: 8 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    return { agent, pid: await call(authority, 0, "HTTP/1.1", agent) };
  });
  const own = (await Promise.all(calls)).map(({ agent, pid }) => {
    return { pid, result: call(authority, 2_000, "HTTP/1.1", agent).catch(() => "lost") };
  });
  await sleep(500);
  process.kill(killed, "SIGKILL");
  for (const { pid, result } of own) assert.equal(await result, pid === killed ? "lost" : other);
  assert.deepEqual(new Set(own.map(({ pid }) => pid)), new Set([killed, other]));
  await until(async () => (await workersOf(authority)).length === 2);
  assert.equal(stderr(), `worker ${killed} ended with SIGKILL; another one starts at once\n`);
  assert.ok((await workersOf(authority)).includes(other));
});

test("a connection that is on its way to a worker that is killed is closed", async (t) => {
  const { authority } = await startWorkers(t);
  const [stopped = 0] = await workersOf(authority);
  process.kill(stopped, "SIGSTOP");
  const { hostname, port } = new URL(`http://${authority}`);
  const closed = Array.from({ length: 4 }, async () => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("error", () => {}).write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    return Buffer.concat(await socket.toArray().catch(() => [])).toString();
  });
  await sleep(300);
  process.kill(stopped, "SIGKILL");
  const responses = await Promise.race([Promise.all(closed), sleep(5_000, [])]);
  assert.deepEqual(responses.map((text) => /^HTTP\/1\.1 200 /.test(text)).sort(), [false, true, true, true]);
});

test("a worker that crashes again and again is started with growing delays", async (t) => {
  const { authority, stderr } = await startWorkers(t);
  const [, healthy = 0] = await workersOf(authority);
  const crashedAt: number[] = [];
  for (let crash = 0; crash < 3; crash++) {
    const crashing = (await workersOf(authority)).find((pid) => pid !== healthy) ?? 0;
    assert.notEqual(crashing, 0);
    crashedAt.push(performance.now());
    process.kill(crashing, "SIGKILL");
    await until(async () => !runs(crashing) && (await workersOf(authority)).length === 2);
  }
  const delays = Array.from(
    stderr().matchAll(/^worker \d+ ended with SIGKILL; another one starts (.*)$/gm),
    ([, delay]) => delay,
  );
  assert.deepEqual(delays, ["at once", "in 500 ms", "in 1000 ms"]);
  assert.ok(performance.now() - (crashedAt[2] ?? 0) >= 1_000);
});

test("the delays double up to 30 s, and a healthy time of a minute resets them", () => {
  const delay = new RestartDelay();
  const delays = Array.from({ length: 10 }, () => delay.next(59_999));
  assert.deepEqual(delays, [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  assert.deepEqual([delay.next(60_000), delay.next(0)], [0, 500]);
});

/** Replaces all workers, for the `roll`th time. */
async function replace({ child, stdout }: RunningProcess, roll: number): Promise<void> {
  child.kill("SIGUSR2");
  await until(() => (stdout().match(/^replaced 2 workers$/gm)?.length ?? 0) === roll);
}
