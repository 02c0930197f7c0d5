/** A semaphore with a bounded first-come, first-served queue. */

export class Semaphore {
  readonly #permits: number;
  readonly #maxQueued: number;
  #acquired = 0;
  /** Functions that grant a permit to each caller in the queue, oldest first. */
  readonly #queue = new Set<() => void>();

  /** Grants `permits` at once. Up to `maxQueued` more callers wait for one. */
  constructor(permits: number, maxQueued: number) {
    this.#permits = permits;
    this.#maxQueued = maxQueued;
  }

  /** True if a caller of `acquire` could neither get a permit nor wait for one. */
  get isFull(): boolean {
    return this.#acquired >= this.#permits && this.#queue.size >= this.#maxQueued;
  }

  /**
   * Acquires a permit, which the caller must release once. Returns undefined if a permit was free, or else a promise that
   * resolves when the caller has one. The promise rejects with the reason of `signal` if that aborts first. Throws if the
   * semaphore is full.
   */
  acquire(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#acquired < this.#permits) {
      this.#acquired++;
      return undefined;
    }
    if (this.isFull) throw new Error(`acquire a permit: the queue of ${this.#queue.size} is full`);
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#queue.delete(grant);
        reject(signal?.reason);
      };
      const grant = (): void => {
        signal?.removeEventListener("abort", cancel);
        resolve();
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", cancel, { once: true });
      this.#queue.add(grant);
    });
  }

  /** Releases a permit. The first caller in the queue gets it. */
  release(): void {
    const [first] = this.#queue;
    if (first === undefined) this.#acquired--;
    else {
      this.#queue.delete(first);
      first();
    }
  }
}
