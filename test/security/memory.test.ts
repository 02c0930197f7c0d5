/**
 * Runs attacks on the memory of a small process. With the default limits the server keeps serving, and without them it
 * is killed.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Limits } from "../../src/server/limits/limits.ts";
import { data, HANDSHAKE } from "../http2/support/frames.ts";
import { post } from "./attacks/http2.ts";
import { askForNames, askInPipeline, askWithClosedWindows, streamWithClosedWindows } from "./attacks/queued.ts";
import { startContainer } from "./support/container.ts";
import { GoodClient } from "./support/good-client.ts";
import { Peer } from "./support/peer.ts";
import { Victim } from "./support/victim.ts";

const CONTAINER_BYTES = 256 << 20;
const STREAMS = 100;
/** Milliseconds that a peer waits for a response that may not come. */
const PATIENCE_MS = 500;
const off = Infinity;

type Attacker = (connect: (...first: Buffer[]) => Promise<Peer>) => Promise<Peer>;

interface MemoryAttack {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly connections: number;
  /** Requests on each connection. */
  readonly run: Attacker;
  /** The limits that stop the attack, turned off; undefined if the response alone stops it. */
  readonly off: Partial<Limits> | undefined;
}

const ATTACKS: readonly MemoryAttack[] = [
  {
    name: "responses of 1 MB, with windows of 0",
    http: "2",
    connections: 10,
    run: (connect) => askWithClosedWindows({ connect }, STREAMS),
    off: { queuedBytes: off, queuedBytesPerConnection: off },
  },
  {
    name: "streams of messages of 1 MB, with windows of 0",
    http: "2",
    connections: 10,
    run: (connect) => streamWithClosedWindows({ connect }, STREAMS),
    off: { queuedBytes: off, queuedBytesPerConnection: off },
  },
  {
    name: "pipelined responses of 1 MB that are not read",
    http: "1.1",
    connections: 10,
    run: (connect) => askInPipeline({ connect }, 60),
    off: { queuedBytes: off, queuedBytesPerConnection: off },
  },
  {
    name: "reflection of names of 60 KB, with windows of 0",
    http: "2",
    connections: 13,
    run: (connect) => askForNames({ connect }, STREAMS, 60_000),
    off: undefined,
  },
  {
    name: "bodies of 65 KB that do not end",
    http: "2",
    connections: 80,
    run: (connect) => {
      const body = Buffer.alloc(16_000, " ");
      const streams = Array.from({ length: STREAMS }, (_, i) => {
        const id = 2 * i + 1;
        return Buffer.concat([post(id), ...Array.from({ length: 4 }, () => data(id, body, 0))]);
      });
      return connect(HANDSHAKE, ...streams);
    },
    off: { bufferedBytes: off, bufferedBytesPerConnection: off },
  },
];

for (const attack of ATTACKS) {
  const { name, off } = attack;
  test(`${name}: a container of 256 MiB keeps serving`, async (t) => {
    const container = startContainer(t, CONTAINER_BYTES);
    if (container === undefined) return;
    await assertServes(t, container.victim, attack);
    assert.equal(container.killed(), false);
  });

  test(`${name}: a heap of 64 MiB keeps serving`, async (t) => {
    const victim = new Victim([process.execPath, ["--expose-gc", "--max-old-space-size=64"]]);
    t.after(() => victim.end());
    await assertServes(t, victim, attack);
  });

  if (off === undefined) continue;
  test(`${name}: a container of 256 MiB is killed without the limits`, async (t) => {
    const container = startContainer(t, CONTAINER_BYTES);
    if (container === undefined) return;
    const { victim, killed } = container;
    await assert.rejects(
      victim.serving({ limits: off, fastPath: true }, (url) => attackAll(t, url, attack).then(() => health(url))),
    );
    assert.equal(killed(), true);
  });
}

/** Attacks while a good client makes calls, which must all succeed. */
async function assertServes(t: TestContext, victim: Victim, attack: MemoryAttack): Promise<void> {
  await victim.serving({ limits: {}, fastPath: true }, async (url) => {
    const client = new GoodClient(url, "health");
    try {
      await client.connect();
      client.start();
      await attackAll(t, url, attack);
      await health(url);
      await client.stop();
      assert.deepEqual(client.failures, []);
      t.diagnostic(`calls of the good client: ${client.calls}`);
    } finally {
      await client.stop();
      client.close();
    }
  });
}

async function attackAll(t: TestContext, url: string, { http, connections, run }: MemoryAttack): Promise<void> {
  const peers: Peer[] = [];
  t.after(() => peers.forEach(({ socket }) => void socket.destroy()));
  const connect = async (...first: Buffer[]): Promise<Peer> => {
    const peer = await Peer.connect(url, http, PATIENCE_MS);
    peers.push(peer);
    if (first.length > 0) peer.send(...first);
    return peer;
  };
  // Runs the attack. A connection that is refused or reset ends it, too.
  for (let i = 0; i < connections; i++) await run(connect).catch(() => {});
}

/** Asks for the server's health on a new connection, after all that the server still does for the attack. */
async function health(url: string): Promise<void> {
  const response = await fetch(`${url}/grpc.health.v1.Health/Check`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  assert.deepEqual(await response.json(), { status: "SERVING" });
}
