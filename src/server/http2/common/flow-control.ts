/** Windows (RFC 9113, 5.2 and 6.9): how much may come, and in which order streams send what waits. */
import { MAX_UINT31 } from "../frames/types.ts";
import type { Stream } from "../streams/stream.ts";

/** What the peer may send, and what of it is given back. */
export class ReceiveWindow {
  readonly #size: number;
  /** Bytes that came and were not given back, and those of them that may be. */
  #out = 0;
  #released = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Takes bytes that came; false where they are more than the window, or than the one the peer may not yet know of. */
  receive(bytes: number, unacknowledged: number): boolean {
    this.#out += bytes;
    return this.#out <= Math.max(this.#size, unacknowledged);
  }

  /** Gives bytes back; the increment to announce now, 0 for none: updates are sent by halves of the window. */
  release(bytes: number): number {
    this.#released += bytes;
    const increment = this.#released;
    if (increment * 2 < this.#size) return 0;
    this.#out -= increment;
    this.#released = 0;
    return increment;
  }
}

/** A send window with an increment; undefined where it would be over 2^31-1 (6.9.1). */
export function widen(window: number, increment: number): number | undefined {
  return window + increment > MAX_UINT31 ? undefined : window + increment;
}

/**
 * The streams that have something to send and a window for it, each in its turn: a stream that has sent a frame waits
 * for all others.
 */
export class Turns {
  readonly #waiting = new Set<Stream>();

  get none(): boolean {
    return this.#waiting.size === 0;
  }

  /** Does nothing where it waits already. */
  add(stream: Stream): void {
    this.#waiting.add(stream);
  }

  delete(stream: Stream): void {
    this.#waiting.delete(stream);
  }

  /** Takes the first; undefined where none waits. */
  next(): Stream | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) this.#waiting.delete(first);
    return first;
  }
}
