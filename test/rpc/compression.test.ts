/** Compression of messages: formats, and limits on encoders and decoders. */
import assert from "node:assert/strict";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { Semaphore } from "../../src/server/limits/semaphore.ts";
import { brotliStored, brotliWindowBytes } from "../../src/server/rpc/brotli.ts";
import { CELLS, type Cell, callIn } from "../support/cells.ts";
import { echoRoutes } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { startServer } from "../support/server.ts";

const SAY = "/fixture.Echo/Say";
const cellOf = (protocol: Cell["protocol"], http: Cell["http"]): Cell =>
  CELLS.find((cell) => cell.protocol === protocol && cell.http === http && cell.codec === "json") as Cell;

for (let bits = constants.BROTLI_MIN_WINDOW_BITS; bits <= constants.BROTLI_MAX_WINDOW_BITS; bits++) {
  test(`the first byte of a Brotli stream declares its window of ${bits} bits`, () => {
    const stream = brotliCompressSync(Buffer.alloc(1_000), { params: { [constants.BROTLI_PARAM_LGWIN]: bits } });
    assert.equal(brotliWindowBytes(stream.readUInt8()), 2 ** bits);
  });
}

test("an uncompressed Brotli stream decodes to its bytes", () => {
  const random = new Random(1);
  for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const bytes = random.bytes(size);
    assert.deepEqual(brotliDecompressSync(brotliStored(bytes)), bytes, `${size} bytes`);
  }
});

test("a semaphore serves its queue in order, drops an aborted entry, and rejects more entries than its maximum", async () => {
  const semaphore = new Semaphore(1, 2);
  assert.equal(semaphore.acquire(), undefined);
  const order: string[] = [];
  const abort = new AbortController();
  const gone = (semaphore.acquire(abort.signal) as Promise<void>).catch((reason) => void order.push(`gone: ${reason}`));
  const first = semaphore.acquire()?.then(() => order.push("first"));
  assert.ok(semaphore.isFull);
  assert.throws(() => semaphore.acquire(), /queue of 2 is full/);
  abort.abort("a reason");
  await gone;
  assert.ok(!semaphore.isFull);
  const second = semaphore.acquire()?.then(() => order.push("second"));
  semaphore.release();
  await first;
  semaphore.release();
  await second;
  semaphore.release();
  assert.deepEqual(order, ["gone: a reason", "first", "second"]);
  assert.equal(semaphore.acquire(), undefined);
});

for (const bound of [true, false]) {
  test(`a cancelled call leaves ${bound ? "a full queue" : "a queue without a limit"} of decompressions`, async (t) => {
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const held: Compression = {
      name: "held",
      compress: async (bytes) => Uint8Array.from(bytes),
      async decompress(bytes) {
        begun.resolve();
        await end.promise;
        return Uint8Array.from(bytes);
      },
    };
    const { authority } = await startServer(t, {
      limits: { decompressors: 1, queuedDecompressions: bound ? 1 : Number.POSITIVE_INFINITY },
      routes: echoRoutes({ say: (request) => request }, { acceptCompression: [held] }),
    });
    // The server handles the calls of one connection in their order.
    const session = http2.connect(`http://${authority}`);
    t.after(() => session.destroy());
    const first = call(session, "held");
    await begun.promise;
    const waiting = call(session, "held");
    const third = call(session, "held");
    if (bound) assert.equal(await third.status, 503);
    waiting.stream.close(http2.constants.NGHTTP2_CANCEL);
    await waiting.status;
    await sleep(100); // until the server has handled the reset
    const fourth = call(session, "held");
    await sleep(100); // until the server has handled the call, which would fail if the queue were full
    end.resolve();
    const statuses = await Promise.all([first.status, fourth.status, third.status]);
    assert.deepEqual(statuses, [200, 200, bound ? 503 : 200]);
  });
}

/** Starts a call with a compressed message. Its status is undefined if the call is cancelled. */
function call(session: http2.ClientHttp2Session, encoding: string) {
  const headers = { ":method": "POST", ":path": SAY, "content-type": "application/json", "content-encoding": encoding };
  const stream = session.request(headers);
  const { promise: status, resolve } = Promise.withResolvers<number | undefined>();
  stream.on("response", (response) => resolve(Number(response[":status"])));
  stream.on("close", () => resolve(undefined)).on("error", () => {}); // the stream may be cancelled
  stream.resume().end('"quick"');
  return { stream, status };
}

for (const [encoding, decompress] of [
  ["gzip", gunzipSync],
  ["br", brotliDecompressSync],
] as const) {
  for (const fastPath of [true, false]) {
    for (const compressors of [1, Number.POSITIVE_INFINITY]) {
      test(`many responses at once are ${encoding}, ${compressors === 1 ? "some of them uncompressed" : "all compressed"}, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
        const text = new Random(2).bytes(30_000).toString("hex");
        const routes = echoRoutes({ say: () => ({ value: text }) });
        const { authority } = await startServer(t, { limits: { compressors }, fastPath, routes, log: () => {} });
        const message = Buffer.from('""');
        const sizes = await Promise.all(
          Array.from({ length: 60 }, async () => {
            const call = { path: SAY, message, acceptEncoding: encoding };
            const { code, body, response } = await callIn(cellOf("Connect", "HTTP/2"), authority, call);
            assert.deepEqual([code, response.headers["content-encoding"]], ["ok", encoding]);
            assert.equal(JSON.parse(decompress(body).toString()), text);
            return body.length;
          }),
        );
        const stored = sizes.filter((size) => size > text.length).length;
        if (compressors === 1) assert.ok(stored > 0 && stored < 60, `${stored} of 60 are uncompressed`);
        else assert.equal(stored, 0);
      });
    }
  }
}
