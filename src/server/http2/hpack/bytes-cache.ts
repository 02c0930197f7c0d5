/** A small cache of results that depend on bytes alone, such as decoded fields, for one connection. */

interface Entry<T> {
  readonly bytes: Buffer;
  readonly value: T;
}

/**
 * Keeps at most `slots` values, each with a copy of its bytes. A hash of the bytes selects the slot, and a new value
 * replaces that slot's value. A peer can therefore only fill, or slow down, the cache of its own connection.
 */
export class BytesCache<T> {
  readonly #slots: number;
  readonly #maxBytes: number;
  #entries: (Entry<T> | undefined)[] | undefined;
  /** The hash of the bytes that were most recently offered for each slot. */
  #offered: Int32Array | undefined;
  /** The hash of the bytes of the most recent `find`. */
  #hash = 0;

  /** `slots` is a power of two. Bytes longer than `maxBytes` are not kept. */
  constructor(slots: number, maxBytes: number) {
    this.#slots = slots;
    this.#maxBytes = maxBytes;
  }

  /** The number of bytes that are kept, without their values. */
  get keptBytes(): number {
    return (this.#entries ?? []).reduce((sum, entry) => sum + (entry?.bytes.length ?? 0), 0);
  }

  /** Returns the value of bytes[start] to bytes[end - 1], or undefined. */
  find(bytes: Buffer, start: number, end: number): T | undefined {
    if (end - start > this.#maxBytes) return undefined;
    this.#hash = hash(bytes, start, end);
    const entry = this.#entries?.[this.#hash & (this.#slots - 1)];
    return entry !== undefined && equal(entry.bytes, bytes, start, end) ? entry.value : undefined;
  }

  /**
   * Offers a value for the bytes of the most recent `find`, which has returned undefined. The cache keeps the value, and
   * returns true, if the same bytes were offered before. Copies of bytes that never return would cost more than the cache saves.
   */
  offer(bytes: Buffer, start: number, end: number, value: T): boolean {
    if (end - start > this.#maxBytes) return false;
    this.#entries ??= new Array(this.#slots).fill(undefined);
    this.#offered ??= new Int32Array(this.#slots);
    const slot = this.#hash & (this.#slots - 1);
    const isKept = this.#offered[slot] === this.#hash;
    if (isKept) this.#entries[slot] = { bytes: Buffer.from(bytes.subarray(start, end)), value };
    else this.#offered[slot] = this.#hash;
    return isKept;
  }
}

/** Returns a hash of four bytes at a time. */
function hash(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  let at = start;
  for (; at + 3 < end; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    hash = (Math.imul(hash, 31) + word) | 0;
  }
  for (; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  // The lowest bits select the slot, and must depend on all bits.
  return hash ^ (hash >>> 15) ^ (hash >>> 24);
}

function equal(kept: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = kept.length;
  if (length !== end - start) return false;
  for (let at = 0; at < length; at++) if (kept[at] !== bytes[start + at]) return false;
  return true;
}
