/** A buffer that grows by doubling, so that appending many pieces costs linear time. */

/** The minimum size of a buffer that has grown. Smaller buffers would cause many reallocations. */
const MIN_GROWN_BYTES = 256;

/**
 * Copies `piece` to position `size` of `buffer`. If `buffer` is too small, first copies its initial `size` bytes to a
 * larger buffer. Returns the buffer that contains the piece. The caller owns this buffer, and adds the length of `piece`
 * to `size`. The copy costs less memory than `piece` itself, which keeps alive the whole chunk that it is a part of.
 */
export function appendBytes(buffer: Buffer, size: number, piece: Uint8Array): Buffer {
  const newSize = size + piece.length;
  let target = buffer;
  if (target.length < newSize) {
    // Most bodies are one piece, so the first buffer has exactly the size of the first piece.
    target = Buffer.allocUnsafe(size === 0 ? newSize : Math.max(MIN_GROWN_BYTES, newSize * 2));
    buffer.copy(target, 0, 0, size);
  }
  target.set(piece, size);
  return target;
}

/** The initial buffer of `appendBytes`, which has no capacity. */
export const NO_BUFFER: Buffer = Buffer.alloc(0);
