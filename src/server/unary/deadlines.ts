/** What waits, with its deadline: one timer for all of it. */

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Things that wait until a deadline, in ms of performance.now(); Infinity is none. */
export class Deadlines<T extends { readonly deadline: number }> {
  readonly #expire: (expired: T) => void;
  readonly #waiting = new Set<T>();
  #timer: NodeJS.Timeout | undefined;
  /** When the timer looks next. It is not put off for what was removed. */
  #looksAt = Number.POSITIVE_INFINITY;

  /** expire is called once for each that was added and not removed before its deadline. */
  constructor(expire: (expired: T) => void) {
    this.#expire = expire;
  }

  add(waiting: T): void {
    this.#waiting.add(waiting);
    if (waiting.deadline < this.#looksAt) this.#lookAt(waiting.deadline);
  }

  remove(waiting: T): void {
    this.#waiting.delete(waiting);
  }

  /** Takes all that waits, before its deadline. */
  takeAll(): T[] {
    const all = [...this.#waiting];
    this.#waiting.clear();
    return all;
  }

  #lookAt(time: number): void {
    clearTimeout(this.#timer);
    this.#looksAt = time;
    const ms = Math.max(1, Math.min(MAX_TIMER_MS, Math.ceil(time - performance.now())));
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting) {
      if (waiting.deadline <= now) {
        this.#waiting.delete(waiting);
        this.#expire(waiting);
      } else next = Math.min(next, waiting.deadline);
    }
    this.#looksAt = Number.POSITIVE_INFINITY;
    if (next < Number.POSITIVE_INFINITY) this.#lookAt(next);
  }
}
