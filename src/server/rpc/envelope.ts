/** Envelopes: flags and length before each message ("Length-Prefixed-Message" of gRPC, "Enveloped-Message" of Connect). */
import { type Compression, compressedFlag } from "@connectrpc/connect/protocol";
import { appendBytes, NO_BUFFER } from "../http/append-bytes.ts";
import { MIN_OWNED_BYTES, OwnedBytes, type Piece } from "../http/exchange.ts";
import { noRoomForMessage } from "./call-errors.ts";
import type { CallMemory } from "./call-memory.ts";

/** One byte of flags, and the length of the message in four bytes. */
export const ENVELOPE_PREFIX_BYTES = 5;

/** Returns the length of the envelope that begins at `at`, with its prefix. Returns 0 if `bytes` end before its message. */
export function envelopeBytes(bytes: Uint8Array, at = 0): number {
  if (bytes.length - at < ENVELOPE_PREFIX_BYTES) return 0;
  // A DataView would cost 50 ns a message.
  const low = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
  return ENVELOPE_PREFIX_BYTES + (bytes[at + 1] as number) * 2 ** 24 + low;
}

/** Returns the message in a body, or undefined if the body is not exactly one envelope without flags. */
export function messageInEnvelope(body: Uint8Array): Uint8Array | undefined {
  if (body.length < ENVELOPE_PREFIX_BYTES || body[0] !== 0) return undefined;
  return envelopeBytes(body) === body.length ? body.subarray(ENVELOPE_PREFIX_BYTES) : undefined;
}

/**
 * Returns the envelope of a message, which nothing else may use any more. If `compression` is not null and the message has
 * `minBytes` or more, compresses the message and returns a promise.
 */
export function compressEnvelope(
  message: Uint8Array,
  compression: Compression | null,
  minBytes: number,
  flags = 0,
): Piece | Promise<Uint8Array> {
  if (compression === null || message.length < minBytes) {
    if (message.length < MIN_OWNED_BYTES) return encodeEnvelope(message, flags);
    return new OwnedBytes(encodePrefix(message.length, flags), message);
  }
  return compression
    .compress(message as Uint8Array<ArrayBuffer>)
    .then((bytes) => encodeEnvelope(bytes, flags | compressedFlag));
}

/** Returns the envelope of a message. If `flags` include `compressedFlag`, `message` must be compressed already. */
export function encodeEnvelope(message: Uint8Array, flags: number): Uint8Array {
  const envelope = Buffer.allocUnsafe(ENVELOPE_PREFIX_BYTES + message.length);
  writePrefix(envelope, message.length, flags);
  envelope.set(message, ENVELOPE_PREFIX_BYTES);
  return envelope;
}

/** Returns the prefix of the envelope of a message of `length` bytes. */
export function encodePrefix(length: number, flags: number): Uint8Array {
  const prefix = Buffer.allocUnsafe(ENVELOPE_PREFIX_BYTES);
  writePrefix(prefix, length, flags);
  return prefix;
}

function writePrefix(target: Buffer, length: number, flags: number): void {
  target[0] = flags;
  target.writeUInt32BE(length, 1);
}

/**
 * Joins the pieces of a body into complete envelopes, and yields them as soon as they are complete. Connect's reader
 * adds up the lengths of all buffered pieces for each new piece. With unjoined pieces, a message in many small pieces
 * would take quadratic time.
 *
 * If a message is longer than `maxBytes`, it and the rest of the body are yielded as they arrive: Connect rejects the
 * message. An incomplete envelope at the end of the body is yielded too.
 *
 * Reserves memory for buffered bytes, and releases it when the caller requests the next piece. Memory that is left at
 * the end is released with the call. Throws if there is not enough memory.
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
