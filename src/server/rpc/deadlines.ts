/** Deadlines of calls, with one timer for all of them. */
import { MAX_TIMER_MS } from "../limits/process-clock.ts";

/** An entry of Deadlines. Entries form a linked list: a Set would cost more per call. */
export interface Waiting<T> {
  /** In ms of `performance.now()`; Infinity for none. */
  readonly deadline: number;
  next: T | undefined;
  previous: T | undefined;
}

export class Deadlines<T extends Waiting<T>> {
  readonly #onExpired: (expired: T) => void;
  #first: T | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Time of the next check. It is not moved when its entry is removed. */
  #nextCheck = Number.POSITIVE_INFINITY;

  /** `onExpired` is called once for each entry that is not removed before its deadline. */
  constructor(onExpired: (expired: T) => void) {
    this.#onExpired = onExpired;
  }

  add(entry: T): void {
    entry.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = entry;
    this.#first = entry;
    if (entry.deadline < this.#nextCheck) this.#checkAt(entry.deadline);
  }

  /** Removes an entry, if it was not removed yet. */
  remove(entry: T): void {
    const { next, previous } = entry;
    if (previous !== undefined) previous.next = next;
    else if (this.#first === entry) this.#first = next;
    else return;
    if (next !== undefined) next.previous = previous;
    entry.next = undefined;
    entry.previous = undefined;
  }

  /** Removes all entries and returns them, without calling `onExpired`. */
  takeAll(): T[] {
    return this.#take(Number.POSITIVE_INFINITY);
  }

  /** Removes the entries with a deadline until `time`, and returns them. */
  #take(time: number): T[] {
    const taken: T[] = [];
    for (let entry = this.#first; entry !== undefined; entry = entry.next) {
      if (entry.deadline <= time) taken.push(entry);
    }
    for (const entry of taken) this.remove(entry);
    return taken;
  }

  #checkAt(time: number): void {
    clearTimeout(this.#timer);
    this.#nextCheck = time;
    const ms = Math.max(1, Math.min(MAX_TIMER_MS, Math.ceil(time - performance.now())));
    this.#timer = setTimeout(() => this.#check(), ms).unref();
  }

  #check(): void {
    for (const expired of this.#take(performance.now())) this.#onExpired(expired);
    let earliest = Number.POSITIVE_INFINITY;
    for (let entry = this.#first; entry !== undefined; entry = entry.next) {
      earliest = Math.min(earliest, entry.deadline);
    }
    this.#nextCheck = Number.POSITIVE_INFINITY;
    if (earliest < Number.POSITIVE_INFINITY) this.#checkAt(earliest);
  }
}
