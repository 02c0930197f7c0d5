/**
 * Attacks the program in a real container of 256 MiB: unfinished bodies that are together larger than the container. With the
 * default limits, which follow the memory of the container, it keeps serving. With limits for a large machine, it is killed.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { data, HANDSHAKE } from "../http2/support/frames.ts";
import { MAIN } from "../support/process.ts";
import { post } from "./attacks/http2.ts";
import { Peer } from "./support/peer.ts";
import { startInContainer } from "./support/runc.ts";

const CONTAINER_BYTES = 256 << 20;
const STREAMS = 120;
/** The longest time for the server to read the bodies. */
const ATTACK_MS = 5_000;

/** The bytes of one connection: streams with 65 KB of a body that does not end. */
const UNFINISHED = Buffer.concat([
  HANDSHAKE,
  ...Array.from({ length: STREAMS }, (_, i) => {
    const id = 2 * i + 1;
    const piece = data(id, Buffer.alloc(16_250, " "), 0);
    return Buffer.concat([post(id, "application/json", "/calls.v1.CallService/Add"), piece, piece, piece, piece]);
  }),
]);

/** Sends the bodies over many connections. Resolves when each has sent all, or is closed. */
async function attack(t: TestContext, url: string, connections: number): Promise<void> {
  const peers: Peer[] = [];
  t.after(() => peers.forEach(({ socket }) => void socket.destroy()));
  for (let i = 0; i < connections; i++) {
    const peer = await Peer.connect(url, "2", ATTACK_MS).catch(() => undefined);
    if (peer === undefined) continue;
    peers.push(peer);
    peer.socket.write(UNFINISHED);
  }
  const isSending = ({ socket }: Peer): boolean => !socket.destroyed && socket.writableLength > 0;
  for (const end = performance.now() + ATTACK_MS; peers.some(isSending) && performance.now() < end; ) await sleep(50);
}

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
    await attack(t, url, connections);
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
  await attack(t, `http://${server.authority}`, 45);
  assert.equal(await Promise.race([server.exit, sleep(10_000, "running", { ref: false })]), 137);
});
