/** Encodes and decodes HTTP/2 frames for tests. */
import type { Field } from "../../../src/server/http/exchange.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType } from "../../../src/server/http2/frames/types.ts";
import { HpackDecoder } from "../../../src/server/http2/hpack/decoder.ts";
import { encodeBlock } from "../../../src/server/http2/hpack/encoder.ts";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const POST: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "localhost"],
];
export const GET: readonly Field[] = [[":method", "GET"], ...POST.slice(1)];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array | string = ""): Buffer {
  const bytes = Buffer.from(payload as string, "latin1");
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, bytes]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4);
  });
  return bytes;
}

export function settings(...pairs: (readonly [id: number, value: number])[]): Buffer {
  return frame(
    FrameType.Settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.of(0, id), uint32(value)]))),
  );
}

export const SETTINGS_ACK = frame(FrameType.Settings, Flag.Ack, 0);
/** The first frames of a client: its connection preface (RFC 9113, 3.4), and its acknowledgement of SETTINGS. */
export const HANDSHAKE = Buffer.concat([PREFACE, settings(), SETTINGS_ACK]);

export function headers(id: number, fields: readonly Field[], flags: number = Flag.EndStream): Buffer {
  return frame(FrameType.Headers, flags | Flag.EndHeaders, id, encodeBlock(fields));
}

export function data(id: number, payload: Uint8Array | string, flags: number = Flag.EndStream): Buffer {
  return frame(FrameType.Data, flags, id, payload);
}

export function rstStream(id: number, code = 8): Buffer {
  return frame(FrameType.RstStream, 0, id, uint32(code));
}

export function windowUpdate(id: number, increment: number): Buffer {
  return frame(FrameType.WindowUpdate, 0, id, uint32(increment));
}

export function ping(opaque = "12345678", flags = 0): Buffer {
  return frame(FrameType.Ping, flags, 0, opaque);
}

/** Splits bytes into frames. Returns the complete ones, and the bytes after them. */
export function splitFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= FRAME_HEADER_BYTES) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end);
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      id: bytes.readUInt32BE(at + 5),
      payload,
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Returns the fields of HEADERS whose field block does not use the dynamic table. */
export function fieldsOf({ payload }: Frame): Record<string, string> {
  const list = new HpackDecoder().decode(payload, 0, payload.length, Number.POSITIVE_INFINITY);
  return Object.fromEntries(list.map(({ field }) => field));
}

const NAMES = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** Returns a frame as a short text, such as "Headers 1 200 end", which tests compare. */
export function describeFrame(one: Frame): string {
  const end = one.flags & Flag.EndStream && one.type <= FrameType.Headers ? " end" : "";
  const name = NAMES[one.type] ?? `type ${one.type}`;
  switch (one.type) {
    case FrameType.Data:
      return `Data ${one.id} ${one.payload.length}${end}`;
    case FrameType.Headers:
      return `Headers ${one.id} ${one.flags & Flag.EndHeaders ? (fieldsOf(one)[":status"] ?? "trailers") : "incomplete"}${end}`;
    case FrameType.RstStream:
      return `RstStream ${one.id} ${codeName(one.payload.readUInt32BE(0))}`;
    case FrameType.Goaway:
      return `Goaway ${one.payload.readUInt32BE(0)} ${codeName(one.payload.readUInt32BE(4))}: ${one.payload.subarray(8)}`;
    case FrameType.WindowUpdate:
      return `WindowUpdate ${one.id} ${one.payload.readUInt32BE(0)}`;
    case FrameType.Ping:
    case FrameType.Settings:
      return `${name}${one.flags & Flag.Ack ? " ack" : ""}`;
    default:
      return `${name} ${one.id}`;
  }
}

/** The names of error codes, by number (RFC 9113, 7). */
const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
];

function codeName(code: number): string {
  return CODES[code] ?? String(code);
}
