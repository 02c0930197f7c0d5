/** Tests that the primary serves one admin port, with the sums of all workers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expose } from "../../../src/telemetry/exposition.ts";
import type { Metric } from "../../../src/telemetry/metric.ts";
import { WorkerMetrics } from "../../../src/telemetry/worker-metrics.ts";
import { run } from "../../support/command.ts";
import type { RunningProcess } from "../../support/process.ts";
import { call, MAIN, startWorkers, until, workersOf } from "./workers.ts";

const CALLS = /^rpc_server_call_duration_seconds_count\{.*\} (\d+)$/m;

test("the sums of all workers do not fall when workers are replaced, crash or do not answer", async (t) => {
  const server = await startWorkers(t, ["--admin-port", "0"]);
  const admin = await adminUrl(server);
  let calls = 0;
  for (let i = 0; i < 6; i++) await count();
  assert.equal(await value(CALLS), calls);

  server.child.kill("SIGUSR2");
  await until(() => server.stdout().includes("replaced 2 workers"));
  for (let i = 0; i < 6; i++) await count();
  assert.equal(await value(CALLS), calls);

  const [killed = 0, other = 0] = await workersOf(server.authority);
  calls += 2;
  assert.equal(await value(CALLS), calls);
  process.kill(killed, "SIGKILL");
  await until(async () => (await value(/^rpc_server_workers (\d+)$/m)) === 2);
  await count();
  assert.equal(await value(CALLS), calls);
  assert.equal(await value(/^rpc_server_worker_crashes_total (\d+)$/m), 1);

  process.kill(other, "SIGSTOP");
  assert.equal(await value(CALLS), calls);
  assert.equal(await value(/^rpc_server_worker_timeouts_total (\d+)$/m), 2);
  assert.equal((await fetch(`${admin}/readyz`)).status, 200);
  process.kill(other, "SIGCONT");
  assert.equal(await value(CALLS), calls);

  async function count(): Promise<void> {
    await call(server.authority);
    calls++;
  }

  async function value(metric: RegExp): Promise<number> {
    const text = await (await fetch(`${admin}/metrics`)).text();
    return Number(metric.exec(text)?.[1]);
  }
});

test("/readyz is 503 in a drain, and when no worker answers; /livez is 200", async (t) => {
  const server = await startWorkers(t, ["--admin-port", "0", "--drain-delay-ms", "20s"]);
  const admin = await adminUrl(server);
  const pids = await workersOf(server.authority);
  assert.deepEqual(await probes(), [200, 200]);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  assert.deepEqual(await probes(), [503, 200]);
  for (const pid of pids) process.kill(pid, "SIGCONT");
  assert.deepEqual(await probes(), [200, 200]);
  server.child.kill("SIGTERM");
  await until(() => server.stdout().includes("draining"));
  assert.deepEqual(await probes(), [503, 200]);
  server.child.kill("SIGINT");
  assert.equal(await Promise.race([server.exit, sleep(5_000, "runs", { ref: false })]), 1);

  async function probes(): Promise<number[]> {
    const responses = await Promise.all([fetch(`${admin}/readyz`), fetch(`${admin}/livez`)]);
    return responses.map(({ status }) => status);
  }
});

test("an admin port in use ends the primary with one sentence and exit code 1", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const result = await run("node", [MAIN, "--workers", "4", "--port", "0", "--admin-port", String(port)]);
  const stderr = `listen on 127.0.0.1 port ${port}: the port is in use; choose another with --admin-port\n`;
  assert.deepEqual(result, { code: 1, stdout: "", stderr });
});

for (const { keeps, sum } of [
  { keeps: true, sum: 7 },
  { keeps: false, sum: 4 },
]) {
  test(`after the end of a worker with 3 calls, the sum is ${sum} if its counters are ${keeps ? "" : "not "}kept`, async () => {
    const metrics = new WorkerMetrics();
    const counts = { serving: 1, crashes: 0 };
    metrics.sum(new Map([...answer(1, 3), ...answer(2, 4)]), counts);
    const text = keeps ? await afterEnd() : await expose(new WorkerMetrics().sum(answer(2, 4), counts));
    assert.match(text, new RegExp(`^calls_total ${sum}$`, "m"));
    assert.match(text, /^calls_in_flight 4$/m);

    async function afterEnd(): Promise<string> {
      await metrics.ended(1);
      return expose(metrics.sum(answer(2, 4), counts));
    }
  });
}

/** Returns the answer of a worker with a counter and a gauge. */
function answer(id: number, value: number): Map<number, Metric[]> {
  const values = [{ value, labels: {} }];
  return new Map([
    [
      id,
      [
        { name: "calls_total", help: "Calls.", type: "counter", values, aggregator: "sum" },
        { name: "calls_in_flight", help: "Calls.", type: "gauge", values, aggregator: "sum" },
      ],
    ],
  ]);
}

async function adminUrl({ stdout }: RunningProcess): Promise<string> {
  const line = /^admin port: (http:\S+) serves/m;
  await until(() => line.test(stdout()));
  return line.exec(stdout())?.[1] ?? "";
}
