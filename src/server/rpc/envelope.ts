/** Envelopes: flags and length before each message ("Length-Prefixed-Message" of gRPC, "Enveloped-Message" of Connect). */
import { type Compression, compressedFlag } from "@connectrpc/connect/protocol";
import { appendBytes, NO_BUFFER } from "../http/append-bytes.ts";
import { noRoomForMessage } from "./call-errors.ts";
import type { CallMemory } from "./call-memory.ts";

/** One byte of flags, and the length of the message in four bytes. */
export const ENVELOPE_PREFIX_BYTES = 5;

/** Returns the message in a body, or undefined if the body is not exactly one envelope without flags. */
export function messageInEnvelope(body: Uint8Array): Uint8Array | undefined {
  if (body.length < ENVELOPE_PREFIX_BYTES || body[0] !== 0) return undefined;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  return length === body.length - ENVELOPE_PREFIX_BYTES ? body.subarray(ENVELOPE_PREFIX_BYTES) : undefined;
}

/** Returns the envelope of a message: a promise if the message has `minBytes` or more and is therefore compressed. */
export function compressEnvelope(
  message: Uint8Array,
  compression: Compression | null,
  minBytes: number,
  flags = 0,
): Uint8Array | Promise<Uint8Array> {
  if (compression === null || message.length < minBytes) return encodeEnvelope(message, flags);
  return compression
    .compress(message as Uint8Array<ArrayBuffer>)
    .then((bytes) => encodeEnvelope(bytes, flags | compressedFlag));
}

/** Returns the envelope of a message, uncompressed. */
export function encodeEnvelope(message: Uint8Array, flags: number): Uint8Array {
  const length = message.length;
  const envelope = Buffer.allocUnsafe(ENVELOPE_PREFIX_BYTES + length);
  envelope[0] = flags;
  envelope.writeUInt32BE(length, 1);
  envelope.set(message, ENVELOPE_PREFIX_BYTES);
  return envelope;
}

/**
 * Splits the body of a stream between envelopes. Yields each envelope as soon as it is whole, together with those that
 * arrived with it. Connect's reader adds up all its pieces for each new piece, so many small pieces of one message would
 * take quadratic time.
 *
 * Passes on an envelope of more than `maxBytes`, and everything after it, as it arrives: Connect rejects it by its length.
 * Passes on an incomplete envelope at the end.
 *
 * Reserves memory for the bytes that it buffers, and for those that it yielded until the next are requested. Throws if
 * there is not enough memory. If the caller stops reading, the caller must release the memory.
 */
export async function* wholeEnvelopes(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
  memory: CallMemory,
): AsyncIterable<Uint8Array> {
  let held = NO_BUFFER;
  let size = 0;
  let refused = false;
  for await (const piece of pieces) {
    if (refused) {
      yield piece;
      continue;
    }
    if (!memory.tryReserve(piece.length)) throw noRoomForMessage();
    held = appendBytes(held, size, piece);
    size += piece.length;
    let end = 0;
    while (size - end >= ENVELOPE_PREFIX_BYTES) {
      const length = held.readUInt32BE(end + 1);
      refused = length > maxBytes;
      if (refused) end = size;
      if (refused || size - end < ENVELOPE_PREFIX_BYTES + length) break;
      end += ENVELOPE_PREFIX_BYTES + length;
    }
    if (end === 0) continue;
    const whole = held.subarray(0, end);
    held = Buffer.from(held.subarray(end, size));
    size -= end;
    yield whole;
    memory.release(end);
  }
  if (size > 0) yield held.subarray(0, size);
}
