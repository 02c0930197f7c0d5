/** What waits, with its deadline: one timer for all of it. */
import { MAX_TIMER_MS } from "../limits/process-clock.ts";

/** One of those that wait, which are a list by themselves: a set would cost each of them more than it does. */
export interface Waiting<T> {
  /** ms of performance.now(); Infinity is none. */
  readonly deadline: number;
  next: T | undefined;
  previous: T | undefined;
}

/** Things that wait until a deadline. */
export class Deadlines<T extends Waiting<T>> {
  readonly #expire: (expired: T) => void;
  #first: T | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer looks next. It is not put off for what was removed. */
  #looksAt = Number.POSITIVE_INFINITY;

  /** expire is called once for each that was added and not removed before its deadline. */
  constructor(expire: (expired: T) => void) {
    this.#expire = expire;
  }

  add(waiting: T): void {
    waiting.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = waiting;
    this.#first = waiting;
    if (waiting.deadline < this.#looksAt) this.#lookAt(waiting.deadline);
  }

  /** Does nothing where it does not wait any more. */
  remove(waiting: T): void {
    const { next, previous } = waiting;
    if (previous !== undefined) previous.next = next;
    else if (this.#first === waiting) this.#first = next;
    else return;
    if (next !== undefined) next.previous = previous;
    waiting.next = undefined;
    waiting.previous = undefined;
  }

  /** Takes all that waits, before its deadline. */
  takeAll(): T[] {
    return this.#take(Number.POSITIVE_INFINITY);
  }

  /** Takes what has its deadline at a time, or before. */
  #take(until: number): T[] {
    const taken: T[] = [];
    for (let waiting = this.#first; waiting !== undefined; waiting = waiting.next) {
      if (waiting.deadline <= until) taken.push(waiting);
    }
    for (const waiting of taken) this.remove(waiting);
    return taken;
  }

  #lookAt(time: number): void {
    clearTimeout(this.#timer);
    this.#looksAt = time;
    const ms = Math.max(1, Math.min(MAX_TIMER_MS, Math.ceil(time - performance.now())));
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    for (const expired of this.#take(performance.now())) this.#expire(expired);
    let next = Number.POSITIVE_INFINITY;
    for (let waiting = this.#first; waiting !== undefined; waiting = waiting.next) {
      next = Math.min(next, waiting.deadline);
    }
    this.#looksAt = Number.POSITIVE_INFINITY;
    if (next < Number.POSITIVE_INFINITY) this.#lookAt(next);
  }
}
