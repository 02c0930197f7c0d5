/** A limit on work at once: as many as `atOnce` have a turn, up to `waiting` more wait for one, first come, first served. */

export class Semaphore {
  readonly #atOnce: number;
  readonly #waiting: number;
  #taken = 0;
  /** In the order in which they came. */
  readonly #queue = new Set<() => void>();

  constructor(atOnce: number, waiting: number) {
    this.#atOnce = atOnce;
    this.#waiting = waiting;
  }

  /** True if take() would neither give a turn nor let its caller wait. */
  get isFull(): boolean {
    return this.#taken >= this.#atOnce && this.#queue.size >= this.#waiting;
  }

  /**
   * Returns undefined if a turn is free, which is then the caller's; or a promise that resolves with the turn. The promise
   * rejects with the signal's reason if that aborts first. Throws if it is full. Each turn must be ended once.
   */
  acquire(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#taken < this.#atOnce) {
      this.#taken++;
      return undefined;
    }
    if (this.isFull) throw new Error(`take a turn: ${this.#queue.size} wait already`);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queue.delete(enter);
        reject(signal?.reason);
      };
      const enter = (): void => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", leave, { once: true });
      this.#queue.add(enter);
    });
  }

  /** Ends a turn, which the first that waits gets. */
  release(): void {
    const [first] = this.#queue;
    if (first === undefined) this.#taken--;
    else {
      this.#queue.delete(first);
      first();
    }
  }
}
