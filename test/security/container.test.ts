/**
 * Attacks the program in a real container of 256 MiB: unfinished bodies that are together larger than the container. With the
 * default limits, which follow the memory of the container, it keeps serving. With limits for a large machine, it is killed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MAIN } from "../support/process.ts";
import { STREAMS, sendUnfinished } from "./attacks/unfinished.ts";
import { startInContainer } from "./support/runc.ts";

const CONTAINER_BYTES = 256 << 20;

async function add(url: string): Promise<unknown> {
  const response = await fetch(`${url}/calls.v1.CallService/Add`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"a":1,"b":2}',
  });
  return response.json();
}

for (const connections of [26, 45]) {
  test(`${connections} connections of ${STREAMS} unfinished bodies leave a container of 256 MiB serving`, async (t) => {
    const server = await startInContainer(t, CONTAINER_BYTES, MAIN, "--port", "0");
    if (server === undefined) return;
    const url = `http://${server.authority}`;
    await sendUnfinished(t, url, connections);
    assert.deepEqual(await add(url), { sum: 3 });
    assert.match(server.stdout(), /^defaults lowered for 256MiB of memory: /m);
    assert.match(server.stderr(), /^limit bufferedBytes/m);
    assert.equal(await Promise.race([server.exit, sleep(500, "running")]), "running");
  });
}

test("limits on buffered bodies for a large machine let the container of 256 MiB be killed", async (t) => {
  const limits = ["--buffered-bytes", "off", "--buffered-bytes-per-connection", "off"];
  const server = await startInContainer(t, CONTAINER_BYTES, MAIN, "--port", "0", ...limits);
  if (server === undefined) return;
  await sendUnfinished(t, `http://${server.authority}`, 45);
  assert.equal(await Promise.race([server.exit, sleep(10_000, "running", { ref: false })]), 137);
});
