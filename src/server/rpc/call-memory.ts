/** Counts the memory that the request messages of one call take, under the limit `bufferedBytes`. */
import type { Exchange } from "../http/exchange.ts";
import { noRoomForMessage } from "./call-errors.ts";
import { MIN_WEIGHED_BYTES, weigh } from "./weigh.ts";

export class CallMemory {
  /** Aborts if the call ends early, for example at its deadline. */
  readonly signal: AbortSignal;
  readonly #exchange: Exchange;
  #reservedBytes = 0;
  /** The part of `#reservedBytes` for the message that was decompressed most recently. */
  #decompressedBytes = 0;
  #isHandlerRunning = false;
  #isResponseSent = false;

  constructor(exchange: Exchange, signal: AbortSignal) {
    this.#exchange = exchange;
    this.signal = signal;
  }

  /** Reserves memory. Returns false, and reserves nothing, if the budget is used up or the response was sent. */
  tryReserve(bytes: number): boolean {
    if (this.#isResponseSent || !this.#exchange.tryReserve(bytes)) return false;
    this.#reservedBytes += bytes;
    return true;
  }

  /** Releases memory that `tryReserve` has reserved. */
  release(bytes: number): void {
    this.#exchange.release(bytes);
    this.#reservedBytes -= bytes;
  }

  /**
   * Records that `bytes` of the reserved memory belong to the newest decompressed message. Releases those of the previous
   * one.
   */
  keepDecompressed(bytes: number): void {
    this.release(this.#decompressedBytes);
    this.#decompressedBytes = bytes;
  }

  /**
   * Reserves memory for the message of a unary call, and resolves with the result of `handler`. All memory of the call stays
   * reserved until the response was sent and the handler has ended. Rejects if there is not enough memory, or if the
   * handler rejects.
   */
  async runHandler<T>(message: object, handler: () => Promise<T>): Promise<T> {
    this.#isHandlerRunning = true;
    try {
      this.#reserveMessage(message);
      return await handler();
    } finally {
      this.#isHandlerRunning = false;
      this.#releaseAll();
    }
  }

  /**
   * Yields the messages of a stream. Memory for each is reserved until the next is requested. Throws if there is not enough
   * memory.
   */
  async *reserveEach<T extends object>(messages: AsyncIterable<T>): AsyncIterable<T> {
    for await (const message of messages) {
      const bytes = this.#reserveMessage(message);
      yield message;
      this.release(bytes);
    }
  }

  /** Releases all memory of the call. While the handler of `runHandler` is running, waits for its end. */
  onResponseSent(): void {
    this.#isResponseSent = true;
    this.#releaseAll();
  }

  /**
   * Reserves the memory that a decoded message takes in addition to its encoded bytes, which are reserved already.
   * Returns the number of bytes, which is 0 if the call has reserved less than MIN_WEIGHED_BYTES. Throws if there is
   * not enough memory.
   */
  #reserveMessage(message: object): number {
    const bytes = this.#reservedBytes < MIN_WEIGHED_BYTES ? 0 : weigh(message);
    if (!this.tryReserve(bytes)) throw noRoomForMessage();
    return bytes;
  }

  #releaseAll(): void {
    if (this.#isResponseSent && !this.#isHandlerRunning) this.release(this.#reservedBytes);
  }
}
