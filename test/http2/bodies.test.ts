/** Bodies of all sizes: they arrive unchanged in both directions, however frames, windows and the socket divide them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Exchange, OwnedBytes, type Piece } from "../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../src/server/http2/frames/types.ts";
import { Random } from "../support/random.ts";
import { GET, HANDSHAKE, headers, settings, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

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
