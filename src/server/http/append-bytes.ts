/** A buffer that grows by doubling, so that appending many pieces costs linear time. */

/** Avoids many reallocations if the first pieces are small. */
const MIN_BUFFER_BYTES = 256;

/**
 * Copies `piece` to position `size` of `buffer`. Returns `buffer`, or a larger copy of its first `size` bytes if the
 * piece does not fit. The caller owns the result and remembers the new size. The copy lets go of `piece`, which would
 * otherwise keep the whole chunk alive that it was received in.
 */
export function appendBytes(buffer: Buffer, size: number, piece: Uint8Array): Buffer {
  const newSize = size + piece.length;
  let target = buffer;
  if (target.length < newSize) {
    target = Buffer.allocUnsafe(Math.max(MIN_BUFFER_BYTES, size === 0 ? newSize : newSize * 2));
    buffer.copy(target, 0, 0, size);
  }
  target.set(piece, size);
  return target;
}

/** The initial buffer of `appendBytes`, which has no capacity. */
export const NO_BUFFER: Buffer = Buffer.alloc(0);
