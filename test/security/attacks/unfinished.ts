/** An attack on memory: unfinished bodies that are together larger than a small container. */
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { data, HANDSHAKE } from "../../http2/support/frames.ts";
import { Peer } from "../support/peer.ts";
import { post } from "./http2.ts";

/** The streams of each connection. */
export const STREAMS = 120;
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

/**
 * Sends the bodies over many connections, which stay open until the test ends. Resolves when each has sent all, or is closed.
 */
export async function sendUnfinished(t: Pick<TestContext, "after">, url: string, connections: number): Promise<void> {
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
