/** The memory that the request messages of one call take, in the budget of its exchange (the limit `bufferedBytes`). */
import type { Exchange } from "../http/exchange.ts";
import { noRoomForMessage } from "./call-errors.ts";
import { MIN_WEIGHED_BYTES, weigh } from "./weigh.ts";

export class CallMemory {
  /** Aborts when the call ends. */
  readonly signal: AbortSignal;
  readonly #exchange: Exchange;
  #reservedBytes = 0;
  /** The part of `#reservedBytes` that the last decompressed message takes. */
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

  /** Keeps `bytes` of the reserved memory for a decompressed message, and releases that of the message before. */
  keepDecompressed(bytes: number): void {
    this.release(this.#decompressedBytes);
    this.#decompressedBytes = bytes;
  }

  /**
   * Reserves memory for the message of a unary call, and runs its handler. The memory of the call is kept until the
   * handler has ended, which may be after the response. Rejects if there is not enough memory, or if the handler rejects.
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

  /** Yields each message of a stream, with memory reserved for it until the next is requested. */
  async *reserveEach<T extends object>(messages: AsyncIterable<T>): AsyncIterable<T> {
    for await (const message of messages) {
      const bytes = this.#reserveMessage(message);
      yield message;
      this.release(bytes);
    }
  }

  /** Releases all memory, now or when the handler has ended. */
  onResponseSent(): void {
    this.#isResponseSent = true;
    this.#releaseAll();
  }

  /**
   * Reserves the memory that a decoded message takes in addition to its bytes. Returns how much, or throws if there is not
   * enough. A message is only weighed if the call has reserved enough for a large one.
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
