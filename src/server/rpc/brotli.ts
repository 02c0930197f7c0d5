/** Parts of the Brotli format (RFC 7932) for which node:zlib has no function. */

/** Maximum size of an uncompressed meta-block whose length has 16 bits (9.2, MNIBBLES of 4). */
const PART_BYTES = 65_536;
/** The final meta-block, which is empty: ISLAST and ISLASTEMPTY are 1. */
const EMPTY_LAST = 0b11;

/**
 * Returns the window size in bytes that the first byte of a stream declares (9.1). Returns 0 if the byte is invalid.
 */
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

/** Returns `bytes` as a stream of uncompressed meta-blocks. The only cost is a copy of the bytes. */
export function brotliStored(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts = Math.ceil(bytes.length / PART_BYTES);
  const stream = new Uint8Array(bytes.length + parts * 3 + 2);
  // A single 0 bit declares a window of 16 bits. This bit shifts the header of the first meta-block by one bit. The
  // data of a meta-block ends at a whole byte, so the other headers are not shifted.
  let at = 0;
  let shift = 1;
  for (let from = 0; from < bytes.length; from += PART_BYTES) {
    const part = bytes.subarray(from, from + PART_BYTES);
    // From the lowest bit: ISLAST 0 (1 bit), MNIBBLES 0 for 4 (2 bits), MLEN - 1 (16 bits), ISUNCOMPRESSED 1 (1 bit).
    const head = (((part.length - 1) << 3) | (1 << 19)) << shift;
    stream.set([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff], at);
    stream.set(part, at + 3);
    at += 3 + part.length;
    shift = 0;
  }
  stream[at++] = EMPTY_LAST << shift;
  return stream.subarray(0, at);
}
