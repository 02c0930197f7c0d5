/**
 * A request's body on its way to a handler: bytes that are held until they are taken, and the reader that takes them in
 * pieces.
 */
import { appendBytes, NO_BUFFER } from "../../http/append-bytes.ts";

/** What a body asks of its stream. */
export interface BodyHost {
  /** Whether more may come. */
  readonly remoteOpen: boolean;
  /** Takes room for bytes; false where there is none. */
  tryReserve(bytes: number): boolean;
  release(bytes: number): void;
  /** Lets the peer send this many bytes more. */
  credit(bytes: number): void;
  /** A handler asks for the body. */
  asked(): void;
}

export class Body implements AsyncIterableIterator<Uint8Array> {
  readonly #host: BodyHost;
  /** In a buffer of their own, so that no small piece keeps a whole chunk of input alive. */
  #buffer = NO_BUFFER;
  /** Bytes held. */
  size = 0;
  /** Bytes of them that the peer was not yet credited. */
  #uncredited = 0;
  #error: Error | undefined;
  #left = false;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;

  constructor(host: BodyHost) {
    this.#host = host;
  }

  // What comes.

  /** Holds a piece; false where there is no room for it. Credited says that the peer may send as much again at once. */
  add(piece: Buffer, credited: boolean): boolean {
    if (!this.#host.tryReserve(piece.length)) return false;
    this.#buffer = appendBytes(this.#buffer, this.size, piece);
    this.size += piece.length;
    if (credited) this.#host.credit(piece.length);
    else this.#uncredited += piece.length;
    return true;
  }

  /** Credits the peer for all that is held. */
  credit(): void {
    if (this.#uncredited > 0) this.#host.credit(this.#uncredited);
    this.#uncredited = 0;
  }

  /** All that is held, which from then on is the caller's. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.size);
    this.#host.release(this.size);
    this.credit();
    this.#buffer = NO_BUFFER;
    this.size = 0;
    return bytes;
  }

  /** Something came, or nothing more will: a reader that waits is told. */
  notify(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.next().then(waiting.resolve, waiting.reject);
  }

  /** Nothing more will come, and what is held is thrown away; for an error, its reader gets it. */
  close(error?: Error): void {
    this.#host.release(this.size);
    this.#buffer = NO_BUFFER;
    this.size = 0;
    this.#uncredited = 0;
    this.#error = error;
    this.#left = true;
    this.notify();
  }

  // What its reader calls.

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#left) return Promise.resolve({ done: true, value: undefined });
    if (this.size > 0) return Promise.resolve({ done: false, value: this.take() });
    if (!this.#host.remoteOpen) return Promise.resolve({ done: true, value: undefined });
    this.#host.asked();
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      // A reader that went away without waiting is no unhandled rejection.
      this.#waiting.promise.catch(() => {});
    }
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#left = true;
    return Promise.resolve({ done: true, value: undefined });
  }
}
