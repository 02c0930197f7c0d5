/** Tests that a shutdown begins with a delay, except on loopback, which load balancers do not reach. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer } from "../../src/server/server.ts";
import { shutdownTimes } from "../../src/server/shutdown.ts";
import { startMain } from "../support/process.ts";

/** A time between both cases: the delay is 5 s. */
const SOON_MS = 3_500;

test("a time without a setting has its default, and that of the delay depends on the address", () => {
  const rest = { idleMs: 1_000, graceMs: 10_000, abortMs: 1_000 };
  assert.deepEqual(shutdownTimes({}, false), { delayMs: 5_000, ...rest });
  assert.deepEqual(shutdownTimes({}, true), { delayMs: 0, ...rest });
  assert.deepEqual(shutdownTimes({ delayMs: undefined, idleMs: 5 }, false), { ...rest, delayMs: 5_000, idleMs: 5 });
  for (const isLocal of [true, false]) assert.equal(shutdownTimes({ delayMs: 7 }, isLocal).delayMs, 7);
});

for (const { hosts, times, delayed } of [
  { hosts: ["0.0.0.0"], times: undefined, delayed: true },
  { hosts: ["0.0.0.0"], times: { delayMs: 0 }, delayed: false },
  { hosts: ["127.0.0.1"], times: undefined, delayed: false },
  { hosts: ["127.0.0.1"], times: { delayMs: 5_000 }, delayed: true },
  { hosts: ["127.0.0.1", "0.0.0.0"], times: undefined, delayed: true },
  { hosts: ["127.0.0.1", "::1"], times: undefined, delayed: false },
]) {
  test(`a server on ${hosts} closes ${delayed ? "after its delay" : "soon"}, with times ${JSON.stringify(times)}`, async () => {
    const server = createServer({ routes: () => {}, log: () => {} });
    const [{ port } = { port: 0 }] = await Promise.all(hosts.map((host) => server.listen({ host, port: 0 })));
    const closed = server.close(times);
    assert.equal(await Promise.race([closed, sleep(SOON_MS, "open", { ref: false })]), delayed ? "open" : 0);
    if (delayed) assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503);
    assert.equal(await closed, 0);
  });
}

for (const { flags, delayed } of [
  { flags: ["--host", "0.0.0.0"], delayed: true },
  { flags: ["--host", "0.0.0.0", "--drain-delay-ms", "0"], delayed: false },
  { flags: [], delayed: false },
]) {
  test(`the process ${delayed ? "runs until its delay is over, and ends at once by a second signal" : "ends soon"}, with flags ${flags.join(" ")}`, async (t) => {
    const { child, exit, authority, stdout } = await startMain(t, ...flags);
    child.kill("SIGTERM");
    assert.equal(await Promise.race([exit, sleep(SOON_MS, "runs")]), delayed ? "runs" : 0);
    const line = "draining: accepts connections for 5000 ms more; a second signal ends the process at once\n";
    assert.equal(stdout().includes(line), delayed);
    if (!delayed) return;
    const { status, headers } = await fetch(`http://${authority}/healthz`);
    assert.deepEqual([status, headers.get("connection")], [503, "close"]);
    child.kill("SIGTERM");
    assert.equal(await Promise.race([exit, sleep(1_000, "runs")]), 1);
  });
}
