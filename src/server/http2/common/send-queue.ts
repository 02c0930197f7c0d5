/** What of a stream's answer waits for a window. */

export class Outgoing {
  readonly pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are sent. */
  at = 0;
  bytes = 0;
  ended = false;
  trailers: Uint8Array | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;

  /** Settles when nothing waits any more, or never will be sent. */
  get emptied(): Promise<void> {
    this.#emptied ??= Promise.withResolvers();
    return this.#emptied.promise;
  }

  settle(): void {
    this.#emptied?.resolve();
  }
}
