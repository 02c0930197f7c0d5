/** Flow control (RFC 9113, 5.2 and 6.9): the windows of received DATA, and the order in which streams send. */
import { MAX_UINT31 } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";

/** Limits the DATA that a peer may send on a stream, or on the connection. */
export class ReceiveWindow {
  readonly #writer: FrameWriter;
  readonly #streamId: number;
  readonly #size: number;
  /** Bytes that `receive` has counted, less the bytes that WINDOW_UPDATE frames have given back. */
  #used = 0;
  /** Released bytes that the next WINDOW_UPDATE gives back to the peer. */
  #released = 0;

  /** Creates a window of `size` bytes. `streamId` 0 stands for the connection. */
  constructor(writer: FrameWriter, streamId: number, size: number) {
    this.#writer = writer;
    this.#streamId = streamId;
    this.#size = size;
  }

  /**
   * Counts received bytes. Returns false if the window is exceeded. `assumedSize` is the window that the peer may use
   * before it has received SETTINGS.
   */
  receive(bytes: number, assumedSize = 0): boolean {
    this.#used += bytes;
    return this.#used <= Math.max(this.#size, assumedSize);
  }

  /**
   * Gives the peer flow-control credit for received bytes, so that it may send as many again. Sends WINDOW_UPDATE only
   * when half of the window was released. A WINDOW_UPDATE for each chunk would double the number of frames.
   */
  release(bytes: number): void {
    this.#released += bytes;
    const increment = this.#released;
    if (increment === 0 || increment * 2 < this.#size) return;
    this.#used -= increment;
    this.#released = 0;
    this.#writer.writeWindowUpdate(this.#streamId, increment);
  }
}

/** Returns a send window plus an increment, or undefined if that exceeds 2^31-1 bytes (6.9.1). */
export function widen(window: number, increment: number): number | undefined {
  return window + increment > MAX_UINT31 ? undefined : window + increment;
}

/** The streams that wait to send. Each sends one frame in turn. */
export class RoundRobin<T> {
  readonly #waiting = new Set<T>();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Adds a stream behind all others, unless it waits already. */
  add(stream: T): void {
    this.#waiting.add(stream);
  }

  delete(stream: T): void {
    this.#waiting.delete(stream);
  }

  /** Removes and returns the first stream. Returns undefined if no stream waits. */
  shift(): T | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) this.#waiting.delete(first);
    return first;
  }
}
