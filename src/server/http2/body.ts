/** A request's body: the bytes that are held for its reader, and the reader that takes them in pieces. */

/** Bytes that came and were not taken, in a buffer of their own, so that no small piece keeps a whole chunk alive. */
export class HeldBytes {
  #buffer: Buffer | undefined;
  size = 0;

  add(piece: Buffer): void {
    const size = this.size + piece.length;
    if (this.#buffer === undefined || this.#buffer.length < size) {
      const grown = Buffer.allocUnsafe(Math.max(256, this.size === 0 ? size : size * 2));
      this.#buffer?.copy(grown, 0, 0, this.size);
      this.#buffer = grown;
    }
    piece.copy(this.#buffer, this.size);
    this.size = size;
  }

  /** All of them, which from then on are the caller's. */
  take(): Buffer {
    const bytes = this.#buffer?.subarray(0, this.size) ?? Buffer.alloc(0);
    this.#buffer = undefined;
    this.size = 0;
    return bytes;
  }
}

/** Where a reader's pieces come from. */
export interface BodySource {
  /** What is held, if anything: it is the reader's from then on, and the peer may send as much again. */
  takeHeld(): Buffer | undefined;
  /** Whether nothing more will come. */
  readonly remoteOpen: boolean;
}

/** The body in pieces, each once. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource;
  #error: Error | undefined;
  #returned = false;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;

  constructor(source: BodySource) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const piece = this.#returned ? undefined : this.#source.takeHeld();
    if (piece !== undefined) return Promise.resolve({ done: false, value: piece });
    if (this.#returned || !this.#source.remoteOpen) return Promise.resolve({ done: true, value: undefined });
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      // A reader that went away without waiting is no unhandled rejection.
      this.#waiting.promise.catch(() => {});
    }
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#returned = true;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Something came, or nothing more will. */
  notify(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.next().then(waiting.resolve, waiting.reject);
  }

  fail(error: Error): void {
    this.#error = error;
    this.notify();
  }
}
