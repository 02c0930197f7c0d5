/** The parts of the Brotli format (RFC 7932) that node:zlib has no function for. */

/** The largest part of a stream that stands uncompressed: the length has 16 bits here (9.2, MNIBBLES of 4). */
const PART_BYTES = 65_536;
/** ISLAST and ISLASTEMPTY. */
const EMPTY_LAST = 0b11;

/** Returns the size of the window that a stream declares in its first byte (9.1), or 0 for a byte that is invalid there. */
export function brotliWindowBytes(first: number): number {
  return 2 ** windowBits(first);
}

function windowBits(first: number): number {
  if ((first & 1) === 0) return 16;
  const high = (first >> 1) & 7;
  if (high !== 0) return 17 + high;
  const low = (first >> 4) & 7;
  if (low === 0) return 17;
  return low === 1 ? Number.NEGATIVE_INFINITY : 8 + low;
}

/** Returns a stream that holds the bytes as they are, in uncompressed meta-blocks: it costs a copy. */
export function brotliStored(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts = Math.ceil(bytes.length / PART_BYTES);
  const stream = new Uint8Array(bytes.length + parts * 3 + 2);
  // WBITS of 16 is the one bit 0. It stands before the first meta-block's bits, and the last parts are aligned to bytes.
  let at = 0;
  let shift = 1;
  for (let from = 0; from < bytes.length; from += PART_BYTES) {
    const part = bytes.subarray(from, from + PART_BYTES);
    // ISLAST 0 (1 bit), MNIBBLES 0 for 4 (2 bits), MLEN - 1 (16 bits), ISUNCOMPRESSED 1 (1 bit): 20 bits, from the low end.
    const head = (((part.length - 1) << 3) | (1 << 19)) << shift;
    stream.set([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff], at);
    stream.set(part, at + 3);
    at += 3 + part.length;
    shift = 0;
  }
  stream[at++] = EMPTY_LAST << shift;
  return stream.subarray(0, at);
}
