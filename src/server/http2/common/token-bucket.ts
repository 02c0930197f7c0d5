/** Events per second as a quantity that is consumed and replenished. */

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
    if (now > this.#at) this.earn(((now - this.#at) / 1000) * this.#perSecond);
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
