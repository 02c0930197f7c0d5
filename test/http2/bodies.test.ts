/** Bodies of all sizes: they arrive unchanged in both directions, however frames, windows and the socket divide them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Exchange, OwnedBytes, type Piece } from "../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { Random } from "../support/random.ts";
import { data, frame, GET, HANDSHAKE, headers, POST, ping, settings, windowUpdate } from "./support/frames.ts";
import { echo, Harness, OK } from "./support/harness.ts";

/** Sizes around those of frames, buffers of output and windows. */
const SIZES = [0, 1, 1_023, 1_024, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 131_072, 200_000];

/** Returns bytes in an ArrayBuffer of their own. */
function bytesOf(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

/** Returns the body of a response, whose frames the peer's windows divide at random. */
function received(harness: Harness, random: Random, stream = 1): Buffer {
  const parts: Buffer[] = [];
  for (let isComplete = false; !isComplete; ) {
    for (const { type, flags, payload } of harness.frames()) {
      if (type === FrameType.Data) parts.push(payload);
      isComplete ||= (flags & Flag.EndStream) !== 0 && type <= FrameType.Headers;
    }
    const increment = 1 + random.below(20_000);
    if (!isComplete)
      harness.connection.receive(Buffer.concat([windowUpdate(stream, increment), windowUpdate(0, increment)]));
  }
  return Buffer.concat(parts);
}

/** Opens a connection whose peer has a window of `bytes` for each stream. */
function connect(handler: (exchange: Exchange) => void, bytes: number): Harness {
  const harness = new Harness(handler);
  harness.connection.receive(Buffer.concat([HANDSHAKE, settings([SettingId.InitialWindowSize, bytes])]));
  return harness;
}

for (const window of [0, 100, 65_535, 1_000_000]) {
  test(`a body in parts is sent like one piece, with a window of ${window} bytes`, () => {
    for (const [seed, size] of SIZES.entries()) {
      const random = new Random(seed + 1);
      const [prefix, bytes, suffix] = [
        random.bytes(random.below(9)),
        bytesOf(random, size),
        random.bytes(random.below(9)),
      ];
      const expected = Buffer.concat([prefix, bytes, suffix]);
      const harness = connect((exchange) => exchange.respond(OK, new OwnedBytes(prefix, bytes, suffix)), window);
      harness.connection.receive(headers(1, GET));
      assert.deepEqual(received(harness, random), expected);
      assert.equal(harness.server.queued.bytes, 0);
    }
  });
}

test("pieces of a response, in parts or not, arrive in their order", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed);
    const expected: Uint8Array[] = [];
    const harness = connect((exchange) => {
      exchange.start(OK);
      for (let count = 1 + random.below(6); count > 0; count--) {
        const bytes = bytesOf(random, random.below(random.pick([10, 2_000, 40_000])));
        const prefix = random.bytes(random.below(6));
        const piece: Piece = random.chance(2) ? new OwnedBytes(prefix, bytes) : bytes;
        expected.push(piece === bytes ? Buffer.from(bytes) : Buffer.concat([prefix, bytes]));
        void exchange.write(piece);
      }
      exchange.end([["a", "b"]]);
    }, random.below(70_000));
    harness.connection.receive(headers(1, GET));
    assert.deepEqual(received(harness, random), Buffer.concat(expected));
  }
});

test("the memory of owned bytes is freed as soon as they are sent, and that of other bytes never", () => {
  for (const window of [10_000, 1_000_000]) {
    const owned = new Uint8Array(50_000);
    const kept = new Uint8Array(50_000);
    const shared = Buffer.alloc(100_000).subarray(50_000);
    const harness = connect((exchange) => {
      exchange.start(OK);
      for (const piece of [new OwnedBytes(Buffer.of(1), owned), kept, new OwnedBytes(Buffer.of(2), shared)]) {
        void exchange.write(piece);
      }
      assert.equal(owned.length === 0, window > 50_000);
      exchange.end();
    }, window);
    harness.connection.receive(headers(1, GET));
    assert.equal(received(harness, new Random(1)).length, 150_002);
    assert.deepEqual([owned.length, kept.length, shared.length], [0, 50_000, 50_000]);
  }
});

/** Requests with bodies in frames of all kinds: of no bytes, padded, with END_STREAM and before trailers. */
function requests(): Buffer {
  const padded = frame(
    FrameType.Data,
    Flag.Padded,
    3,
    Buffer.concat([Buffer.of(4), Buffer.from("padded"), Buffer.alloc(4)]),
  );
  return Buffer.concat([
    HANDSHAKE,
    headers(1, POST, 0),
    data(1, "whole"),
    headers(3, [...POST, ["content-length", "17"]], 0),
    data(3, "first", 0),
    ping(),
    padded,
    data(3, "", 0),
    data(3, "second", 0),
    headers(3, [["a", "b"]]),
    headers(5, POST, 0),
    headers(7, POST, 0),
    data(7, "seven", 0),
    data(5, "five", 0),
    data(7, ""),
    data(5, " and five"),
  ]);
}

/** Returns the bodies that `read` gets when the bytes come in `chunks`, by stream, and the frames that are sent. */
function bodies(
  read: (exchange: Exchange, body: Buffer[]) => void,
  chunks: readonly Buffer[],
): { readonly bodies: readonly string[]; readonly sent: readonly string[] } {
  const all: Buffer[][] = [];
  const harness = new Harness((exchange) => {
    const body: Buffer[] = [];
    all.push(body);
    read(exchange, body);
  });
  for (const chunk of chunks) harness.connection.receive(chunk);
  assert.equal(harness.server.buffered.used, 0);
  return { bodies: all.map((body) => Buffer.concat(body).toString()), sent: harness.sent() };
}

/** Buffers the body, and responds. */
function buffer(exchange: Exchange, body: Buffer[]): void {
  exchange.bufferBody(
    1_000,
    (bytes) => {
      body.push(Buffer.from(bytes));
      exchange.respond(OK, new Uint8Array(3));
    },
    () => assert.fail("the body is too large"),
    () => 5,
  );
}

test("bodies arrive unchanged, wherever the socket divides the bytes of their frames", () => {
  const all = requests();
  const whole = bodies(buffer, [all]);
  assert.deepEqual(whole.bodies, ["whole", "firstpaddedsecond", "five and five", "seven"]);
  for (let at = 1; at < all.length; at++) {
    // Copies, because the connection owns no chunk.
    const chunks = [Buffer.from(all.subarray(0, at)), Buffer.from(all.subarray(at))];
    assert.deepEqual(bodies(buffer, chunks), whole, `divided at ${at}`);
  }
  assert.deepEqual(
    bodies(
      buffer,
      Array.from(all, (byte) => Buffer.of(byte)),
    ),
    whole,
  );
});

test("random bodies arrive unchanged, in random frames and chunks, with and without an expected length", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const body = Buffer.from(bytesOf(random, random.pick(SIZES) + random.below(3)));
    const fields = random.chance(2) ? POST : ([...POST, ["content-length", String(body.length)]] as const);
    const frames = [HANDSHAKE, headers(1, fields, 0)];
    const frameBytes = random.pick([16_384, 16_384, 9_000, 700]);
    for (let at = 0; at < body.length; at += frameBytes) frames.push(data(1, body.subarray(at, at + frameBytes), 0));
    frames.push(data(1, ""));
    const harness = new Harness((exchange) =>
      exchange.bufferBody(
        1 << 20,
        (bytes) => exchange.respond(OK, Uint8Array.from(bytes)),
        () => assert.fail("the body is too large"),
        () => random.pick([0, body.length, body.length * 2, 5]),
      ),
    );
    const all = Buffer.concat(frames);
    for (let at = 0; at < all.length; ) {
      const end = at + 1 + random.below(random.pick([20, 5_000, 65_536]));
      const chunk = Buffer.from(all.subarray(at, end));
      harness.connection.receive(chunk);
      chunk.fill(0xee); // as the next chunk would
      at = end;
    }
    assert.ok(received(harness, random).equals(body), `seed ${seed}`);
    assert.equal(harness.server.buffered.used, 0);
  }
});

test("a frame that comes in parts is reset once if its stream is closed, and counts as one reset", () => {
  const harness = new Harness(echo);
  harness.send(HANDSHAKE, headers(1, POST));
  const late = data(1, Buffer.alloc(1_000));
  const sent = Array.from(late, (byte) => harness.send(Buffer.of(byte))).flat();
  assert.deepEqual(sent, ["RstStream 1 STREAM_CLOSED"]);
});

test("a body whose length is announced takes at most eight times the bytes that were received", () => {
  const harness = Harness.settled((exchange) =>
    exchange.bufferBody(
      1 << 20,
      () => {},
      () => {},
      () => 1 << 20,
    ),
  );
  for (let id = 1; id < 200; id += 2) harness.send(headers(id, POST, 0), data(id, Buffer.alloc(10), 0));
  assert.equal(harness.server.buffered.used, 100 * 80);
});

test("bytes that a reader takes have no room for those that were announced", () => {
  let taken: Uint8Array | undefined;
  const harness = Harness.settled((exchange) => {
    const reader = exchange.readBody(() => {
      taken = reader.take();
    });
  });
  harness.send(headers(1, [...POST, ["content-length", "1000000"]], 0), data(1, Buffer.alloc(16_000), 0));
  assert.equal(taken?.length, 16_000);
  // Small buffers are parts of a pool of 64 KiB. Eight times the bytes would be 128 KB.
  assert.ok((taken?.buffer.byteLength ?? 0) < 100_000, `${taken?.buffer.byteLength} bytes are kept alive`);
});
