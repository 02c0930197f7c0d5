/** The body of a stream in pieces of whole envelopes, whatever pieces it came in. */
import { appendBytes, NO_BUFFER } from "../http/append-bytes.ts";
import type { MessageHolder } from "./compression.ts";
import { noRoomForMessage } from "./message-errors.ts";

/** A flag, and the length of a message in four bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const HEAD_BYTES = 5;

/**
 * Gives each envelope when it is whole, together with those that came with it. Connect's reader adds up all that it holds
 * at every piece, so that a message in many pieces would cost their square. An envelope of over maxBytes is given as it
 * comes, since it is refused by its length, and with it all that follows; so is what is left at the end.
 *
 * It takes room of the holder for what it holds, envelopes that were given included until the next are asked for, and
 * throws if there is none. What it holds when nobody reads on is the caller's to give back.
 */
export async function* wholeEnvelopes(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
  holder: MessageHolder,
): AsyncIterable<Uint8Array> {
  let held = NO_BUFFER;
  let size = 0;
  let refused = false;
  for await (const piece of pieces) {
    if (refused) {
      yield piece;
      continue;
    }
    if (!holder.hold(piece.length)) throw noRoomForMessage();
    held = appendBytes(held, size, piece);
    size += piece.length;
    let end = 0;
    while (size - end >= HEAD_BYTES) {
      const length = held.readUInt32BE(end + 1);
      refused = length > maxBytes;
      if (refused) end = size;
      if (refused || size - end < HEAD_BYTES + length) break;
      end += HEAD_BYTES + length;
    }
    if (end === 0) continue;
    const whole = held.subarray(0, end);
    held = Buffer.from(held.subarray(end, size));
    size -= end;
    yield whole;
    holder.release(end);
  }
  if (size > 0) yield held.subarray(0, size);
}
