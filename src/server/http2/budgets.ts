/** Limits as quantities that are consumed and replenished. */

/** An amount with a ceiling, and perhaps a wider one over it: what is taken is given back. */
export class Budget {
  readonly #limit: number;
  readonly #over: Budget | undefined;
  taken = 0;

  constructor(limit: number, over?: Budget) {
    this.#limit = limit;
    this.#over = over;
  }

  /** Whether nothing more can be taken. */
  get spent(): boolean {
    return this.taken >= this.#limit;
  }

  /** Whether more was added than there is room for. */
  get exceeded(): boolean {
    return this.taken > this.#limit;
  }

  /** Takes an amount; false, and takes nothing, where that would be over a ceiling. */
  take(amount: number): boolean {
    if (this.taken + amount > this.#limit) return false;
    if (this.#over !== undefined && !this.#over.take(amount)) return false;
    this.taken += amount;
    return true;
  }

  /** Takes an amount that cannot be refused any more. */
  add(amount: number): void {
    this.taken += amount;
    this.#over?.add(amount);
  }

  giveBack(amount: number): void {
    this.taken -= amount;
    this.#over?.giveBack(amount);
  }
}

/** So many seconds' worth may come at once. */
const BURST_SECONDS = 4;

/** A number of events per second, with bursts of four seconds' worth. */
export class Rate {
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond * BURST_SECONDS;
    this.#at = now;
  }

  /** Counts one event at a time in ms; false where it is one too many. */
  spend(now: number): boolean {
    if (this.#left >= 1) {
      this.#left--;
      return true;
    }
    this.earn(((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** Allows more events, up to a whole burst. */
  earn(events: number): void {
    this.#left = Math.min(this.#left + events, this.#perSecond * BURST_SECONDS);
  }
}
