/** The body of a request: the bytes that are buffered until the handler takes them, and their iterator. */
import { NO_BUFFER } from "../../http/append-bytes.ts";
import type { BodyReader } from "../../http/exchange.ts";
import { allocateBuffer } from "../../limits/buffer-memory.ts";
import type { ReceiveWindow } from "../common/flow-control.ts";
import type { BodyBudget } from "./body-budget.ts";

/** The minimum size of a buffer that has grown. Smaller buffers would cause many reallocations. */
const MIN_GROWN_BYTES = 256;
/**
 * A buffer for a body whose length is expected is larger than the received bytes by this factor at most: a client that
 * announces more than it sends must not take much memory.
 */
const MAX_AHEAD = 8;

/** The stream that a body belongs to. */
export interface BodyStream {
  /** True if the request is not complete. */
  readonly isRemoteOpen: boolean;
  readonly receiveWindow: ReceiveWindow | undefined;
  /** Returns the expected length of the body that begins with `start`. Returns 0 if the length is unknown. */
  expectedBytes(start: Uint8Array): number;
  /** Sends 100 (Continue) if the client waits for it. */
  continueRequest(): void;
}

export class RequestBody implements AsyncIterableIterator<Uint8Array>, BodyReader {
  readonly #stream: BodyStream;
  readonly #budget: BodyBudget;
  /** The buffered bytes, and room for more. The budget counts the whole buffer. */
  #buffer = NO_BUFFER;
  #size = 0;
  /** The buffered bytes that the receive window still counts. */
  #countedBytes = 0;
  #error: Error | undefined;
  #isClosed = false;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;
  #onReadable: (() => void) | undefined;

  constructor(stream: BodyStream, budget: BodyBudget) {
    this.#stream = stream;
    this.#budget = budget;
  }

  /** The number of buffered bytes. */
  get size(): number {
    return this.#size;
  }

  // The methods for the stream.

  /**
   * Buffers a copy of `piece`. Returns false if the budget has no room for it. Gives the peer flow-control credit
   * (WINDOW_UPDATE) immediately if `freesWindow` is true. Otherwise `take` or `freeWindow` gives it.
   */
  add(piece: Buffer, freesWindow: boolean): boolean {
    if (this.#size + piece.length > this.#buffer.length && !this.#grow(piece)) return false;
    this.#buffer.set(piece, this.#size);
    this.#size += piece.length;
    this.#countedBytes += piece.length;
    if (freesWindow) this.freeWindow();
    return true;
  }

  /**
   * Makes room for `piece`: at once for the whole body if its length is expected, or else by doubling. Makes room for
   * `piece` only if the budget is short. Returns false if the budget has no room.
   */
  #grow(piece: Buffer): boolean {
    const size = this.#size + piece.length;
    const expected = this.#stream.expectedBytes(this.#size === 0 ? piece : this.#buffer.subarray(0, this.#size));
    let wanted = size; // most bodies are one piece
    if (expected > size) wanted = Math.min(expected, size * MAX_AHEAD);
    else if (this.#size > 0 && expected < size) wanted = Math.max(MIN_GROWN_BYTES, size * 2);
    const before = this.#buffer;
    // Room for bytes that may never come must not use up the budget, which other bodies need.
    const capacity = wanted - before.length <= this.#budget.room / 2 ? wanted : size;
    if (!this.#budget.tryReserve(capacity - before.length)) return false;
    this.#buffer = allocateBuffer(capacity);
    if (this.#size > 0) before.copy(this.#buffer, 0, 0, this.#size);
    return true;
  }

  /**
   * Gives the peer flow-control credit for the buffered bytes that the receive window still counts. After the end of
   * the request, only stops counting them.
   */
  freeWindow(): void {
    if (this.#stream.isRemoteOpen) this.#stream.receiveWindow?.release(this.#countedBytes);
    this.#countedBytes = 0;
  }

  /** Removes and returns all buffered bytes. The caller owns them. */
  take(): Buffer {
    if (this.#size === 0) {
      if (this.#stream.isRemoteOpen) this.#stream.continueRequest();
      return NO_BUFFER;
    }
    const bytes = this.#buffer.subarray(0, this.#size);
    this.#budget.release(this.#buffer.length);
    this.freeWindow();
    this.#buffer = NO_BUFFER;
    this.#size = 0;
    return bytes;
  }

  /** Tells a waiting reader that bytes were added, or that the request has ended. */
  notify(): void {
    this.#onReadable?.();
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.next().then(waiting.resolve, waiting.reject);
  }

  /** Discards the buffered bytes and ends the iteration. If `error` is given, the iteration throws it. */
  close(error?: Error): void {
    this.#budget.release(this.#buffer.length);
    this.#buffer = NO_BUFFER;
    this.#size = 0;
    this.#countedBytes = 0;
    this.#error = error;
    this.#isClosed = true;
    this.#onReadable = undefined;
    this.notify();
  }

  // The methods for the reader.

  /** Implements `Exchange.readBody`. */
  listen(onReadable: () => void): BodyReader {
    this.#onReadable = onReadable;
    return this;
  }

  get isComplete(): boolean {
    return this.#size === 0 && !this.#stream.isRemoteOpen && !this.#isClosed;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#isClosed) return Promise.resolve({ done: true, value: undefined });
    if (this.#size > 0) return Promise.resolve({ done: false, value: this.take() });
    if (!this.#stream.isRemoteOpen) return Promise.resolve({ done: true, value: undefined });
    this.#stream.continueRequest();
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      // If the reader has stopped waiting, a rejection must not count as unhandled.
      this.#waiting.promise.catch(() => {});
    }
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#isClosed = true;
    return Promise.resolve({ done: true, value: undefined });
  }
}
