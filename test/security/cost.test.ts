/** Tests that the CPU time of a body in many small pieces is proportional to its bytes. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { data, HANDSHAKE } from "../http2/support/frames.ts";
import { envelope } from "../support/cells.ts";
import { post } from "./attacks/http2.ts";
import { Peer } from "./support/peer.ts";
import { Victim } from "./support/victim.ts";

/** Bytes of the bodies, which are sent in pieces of one byte. */
const SMALL = 5_000;
const LARGE = 4 * SMALL;
/** The maximum ratio of CPU times. It is 4 if they are proportional, and 16 if they grow with the square. */
const MAX_RATIO = 9;
/** Milliseconds of CPU time that the server uses for other things. */
const NOISE_MS = 30;
const ROUNDS = 2;
const PATIENCE_MS = 20_000;

const victim = new Victim();
after(() => victim.end());

type Pieces = (body: Buffer) => Buffer[];

const ONE_BYTE: { readonly [http in "1.1" | "2"]: Pieces } = {
  "1.1": (body) => [...body].map((byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a])),
  "2": (body) => [...body].map((byte) => data(1, Buffer.of(byte), 0)),
};

interface Kind {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly body: (size: number) => Buffer;
  readonly encoding?: string;
}

const text = (size: number): Buffer => Buffer.from(JSON.stringify("x".repeat(size - 2)));

const KINDS: readonly Kind[] = [
  { name: "a Connect message", path: "Say", type: "application/json", body: text },
  { name: "a gRPC message", path: "Say", type: "application/grpc+json", body: (size) => envelope(text(size - 5)) },
  {
    name: "a compressed message",
    path: "Say",
    type: "application/json",
    body: (size) => gzipSync(text(size), { level: 0 }),
    encoding: "gzip",
  },
  {
    name: "one message of a stream",
    path: "Join",
    type: "application/grpc-web+json",
    body: (size) => envelope(text(size - 5)),
  },
  {
    name: "many messages of a stream",
    path: "Join",
    type: "application/grpc-web+json",
    body: (size) => Buffer.concat(Array(Math.floor(size / 10)).fill(envelope(Buffer.from('"abc"')))),
  },
];

for (const http of ["1.1", "2"] as const) {
  for (const fastPath of [true, false]) {
    for (const kind of KINDS) {
      test(`${kind.name} in pieces of one byte costs CPU in proportion to its bytes, over HTTP/${http}, ${fastPath ? "with" : "without"} the fast path`, async () => {
        await victim.serving({ limits: { controlFramesPerSecond: Infinity }, fastPath }, async (url) => {
          const cost = (size: number) => cpuOf(url, http, kind, size);
          await cost(LARGE); // warms the server
          const small = Math.min(await cost(SMALL), await cost(SMALL));
          const large = Math.min(await cost(LARGE), await cost(LARGE));
          const message = `${small} ms of CPU became ${large} for four times the bytes`;
          assert.ok(large < small * MAX_RATIO + NOISE_MS, message);
        });
      });
    }
  }
}

/** Returns the milliseconds of CPU time that the server uses for `ROUNDS` requests of this size. */
async function cpuOf(url: string, http: "1.1" | "2", kind: Kind, size: number): Promise<number> {
  const before = await victim.tell({ do: "cpu" });
  for (let i = 0; i < ROUNDS; i++) {
    const peer = await Peer.connect(url, http, PATIENCE_MS);
    const path = `/fixture.Echo/${kind.path}`;
    const encoding = kind.encoding === undefined ? [] : [["content-encoding", kind.encoding] as const];
    if (http === "1.1") {
      const fields = [["content-type", kind.type], ...encoding]
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("");
      peer.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}Transfer-Encoding: chunked\r\n\r\n`);
    } else peer.send(HANDSHAKE, post(1, kind.type, path, encoding));
    const pieces = ONE_BYTE[http](kind.body(size));
    await peer.flood(pieces.length, (i) => pieces[i] as Buffer);
    peer.send(http === "1.1" ? "0\r\n\r\n" : data(1, ""));
    assert.match(await peer.endingWith("200"), /^200/);
    peer.socket.destroy();
  }
  return (await victim.tell({ do: "cpu" })) - before;
}
