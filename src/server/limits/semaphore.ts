/** A semaphore with a bounded first-come, first-served queue. */

export class Semaphore {
  readonly #permits: number;
  readonly #maxQueued: number;
  #acquired = 0;
  /** A function for each caller in the queue, oldest first. The function grants a permit to its caller. */
  readonly #queue = new Set<() => void>();

  /** Up to `permits` callers can hold a permit at the same time. Up to `maxQueued` other callers can wait for one. */
  constructor(permits: number, maxQueued: number) {
    this.#permits = permits;
    this.#maxQueued = maxQueued;
  }

  /** True if all permits are acquired and the queue is full. `acquire` would then throw. */
  get isFull(): boolean {
    return this.#acquired >= this.#permits && this.#queue.size >= this.#maxQueued;
  }

  /**
   * Acquires a permit, which the caller must release once. Returns undefined if a permit was free. Otherwise returns a
   * promise that resolves when the caller gets a permit. If `signal` aborts first, the promise rejects with the reason of
   * `signal`. Throws if the semaphore is full.
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

  /** Releases a permit. If callers are in the queue, the oldest gets the permit. */
  release(): void {
    const [first] = this.#queue;
    if (first === undefined) this.#acquired--;
    else {
      this.#queue.delete(first);
      first();
    }
  }
}
