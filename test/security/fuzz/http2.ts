/**
 * Fuzzes an HTTP/2 connection with random frames. The responses must not depend on how the bytes are split. An internal
 * error, a response on a wrong stream and leaked memory are failures.
 */
import assert from "node:assert/strict";
import type { Exchange, Field } from "../../../src/server/http/exchange.ts";
import { Flag, FrameType, SettingId } from "../../../src/server/http2/frames/types.ts";
import { encodeBlock } from "../../../src/server/http2/hpack/encoder.ts";
import type { Stream } from "../../../src/server/http2/streams/stream.ts";
import type { Limits } from "../../../src/server/limits/limits.ts";
import {
  data,
  type Frame,
  frame,
  HANDSHAKE,
  headers,
  POST,
  ping,
  rstStream,
  settings,
  splitFrames,
  uint32,
  windowUpdate,
} from "../../http2/support/frames.ts";
import { Harness, OK } from "../../http2/support/harness.ts";
import type { Random } from "../../support/random.ts";
import type { Target } from "./run.ts";

const TRAILERS: readonly Field[] = Object.freeze([["x-end", "1"]] as const);

/** Responds in one of several ways, or not at all. The bytes of the body are the stream's id. */
function answer(exchange: Exchange): void {
  const id = idOf(exchange);
  const [, kind = "", size = "0"] = /^\/(.)(\d+)$/.exec(exchange.request.path) ?? [];
  const body = Buffer.alloc(Number(size) & ~3, uint32(id));
  if (kind === "g") {
    exchange.bufferBody(
      2_000,
      () => exchange.respond(OK, body, id % 3 === 0 ? TRAILERS : undefined),
      () => exchange.respond({ status: 413, fields: [] }, Buffer.alloc(0)),
    );
  } else if (kind === "e") exchange.respond(OK, body);
  else if (kind === "r") exchange.reset("internal");
  else if (kind === "s") {
    exchange.start(OK);
    for (let at = 0; at < body.length; at += 1_000) exchange.write(body.subarray(at, at + 1_000));
    exchange.end(TRAILERS);
  }
}

function idOf(exchange: Exchange): number {
  return (exchange as Stream).id;
}

/** Returns random frames of a client. */
function conversation(random: Random): Buffer[] {
  const frames: Buffer[] = [];
  const open: number[] = [];
  let next = 1;
  for (let i = 0; i < 30; i++) {
    const id = random.pick(open) ?? 0;
    switch (random.below(id === 0 ? 3 : 9)) {
      case 0:
      case 1:
        if (random.chance(3)) frames.push(...request(random, next, Flag.EndStream));
        else {
          frames.push(...request(random, next, 0));
          open.push(next);
        }
        next += 2;
        break;
      case 2:
        frames.push(
          random.pick([ping(), settings([SettingId.InitialWindowSize, random.below(70_000)]), windowUpdate(0, 5_000)]),
        );
        break;
      case 3:
      case 4:
        frames.push(data(id, random.bytes(random.below(600)), 0));
        break;
      case 5:
        frames.push(
          frame(
            FrameType.Data,
            Flag.Padded,
            id,
            Buffer.concat([Buffer.of(3), random.bytes(random.below(40)), Buffer.alloc(3)]),
          ),
        );
        break;
      case 6:
        frames.push(windowUpdate(id, 1 + random.below(20_000)));
        break;
      default:
        frames.push(random.pick([data(id, random.bytes(random.below(50))), headers(id, TRAILERS), rstStream(id)]));
        open.splice(open.indexOf(id), 1);
    }
  }
  return frames;
}

/** Returns the headers of a request in one or more frames, with fields that change the dynamic table. */
function request(random: Random, id: number, flags: number): Buffer[] {
  const path = `/${random.pick(["g", "e", "r", "s", "n"])}${random.below(random.chance(4) ? 40_000 : 300)}`;
  const fields = [...POST.filter(([name]) => name !== ":path"), [":path", path] as const];
  const indexed = Buffer.concat([Buffer.of(0x40, 2, 0x78, 0x2d + random.below(2), 1, 97 + random.below(26))]);
  const block = Buffer.concat([encodeBlock(fields), random.chance(2) ? indexed : Buffer.alloc(0)]);
  if (random.chance(2)) return [frame(FrameType.Headers, flags | Flag.EndHeaders, id, block)];
  const at = random.below(block.length);
  return [
    frame(FrameType.Headers, flags, id, block.subarray(0, at)),
    frame(FrameType.Continuation, Flag.EndHeaders, id, block.subarray(at)),
  ];
}

function converse(chunks: readonly Buffer[], limits: Partial<Limits> = {}): Buffer {
  const harness = new Harness(answer, { sendBufferBytes: Infinity, ...limits });
  const said: Buffer[] = [];
  for (const chunk of chunks) {
    harness.connection.receive(chunk);
    said.push(harness.bytes());
  }
  const all = Buffer.concat(said);
  check(harness, all);
  return all;
}

/** Checks the connection and its frames, after valid or invalid input. */
function check(harness: Harness, said: Buffer): void {
  assert.deepEqual(harness.errors, []);
  const { frames, rest } = splitFrames(said);
  assert.equal(rest.length, 0);
  const end = frames.findIndex(({ type }) => type === FrameType.Goaway);
  assert.ok(end < 0 || end === frames.length - 1, "a frame follows GOAWAY");
  const ids = new Set(harness.exchanges.map(idOf));
  for (const one of frames) if (one.type === FrameType.Data) isFor(one, ids);
  harness.connection.abort("the test is over");
  for (const exchange of harness.exchanges) exchange.reset();
  assert.equal(harness.server.buffered.used, 0, "buffered bytes are left");
  assert.equal(harness.server.cancelledHandlers.used, 0, "handlers of cancelled calls are left");
  assert.equal(harness.connection.queuedBytes, 0);
}

function isFor({ id, payload }: Frame, ids: ReadonlySet<number>): void {
  assert.ok(ids.has(id), `stream ${id} has no request`);
  const mine = uint32(id);
  for (const byte of payload) assert.ok(mine.includes(byte), `stream ${id} got ${byte}`);
}

/** Returns the same bytes, split in another way. */
function splits(random: Random): void {
  const bytes = Buffer.concat([HANDSHAKE, ...conversation(random)]);
  const whole = converse([bytes]);
  for (let i = 0; i < 3; i++) assert.deepEqual(converse(random.pieces(bytes)), whole);
}

/** Returns the frames of a client with some bytes or frames changed. */
function mutants(random: Random): void {
  const frames = conversation(random);
  for (let i = random.below(4); i > 0; i--) {
    const at = random.below(frames.length);
    frames.splice(at, random.below(2), random.pick([random.pick(frames), noise(random)]));
  }
  const bytes = Buffer.concat([HANDSHAKE, ...frames]);
  for (let i = random.below(6); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
  converse(
    random.pieces(bytes),
    random.chance(2) ? {} : { bufferedBytes: 1_000, concurrentStreams: 3, cancelledHandlersPerConnection: 1 },
  );
}

/** Returns a frame with random type, flags, stream and payload. */
function noise(random: Random): Buffer {
  return frame(random.below(12), random.below(64), random.below(20), random.bytes(random.below(30)));
}

function noises(random: Random): void {
  const frames = Array.from({ length: 40 }, () => noise(random));
  converse([random.chance(10) ? Buffer.alloc(0) : HANDSHAKE, ...random.pieces(Buffer.concat(frames))]);
}

export const http2: Target = {
  name: "HTTP/2",
  async start() {
    return {
      async attempt(random) {
        for (const kind of [splits, mutants, noises]) kind(random);
      },
      async end() {},
    };
  },
};
