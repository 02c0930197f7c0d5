/** A rate limit as a token bucket. */

/** A full bucket holds the tokens of this many seconds. */
const BURST_SECONDS = 4;

/** Limits events to `perSecond`, with bursts of up to four times as many. Times are in ms. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond * BURST_SECONDS;
    this.#filledAt = now;
  }

  /** Takes one token at the time `now`. Returns false if none is left. */
  take(now: number): boolean {
    if (now > this.#filledAt) this.add(((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Adds tokens, up to a full bucket. */
  add(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, this.#perSecond * BURST_SECONDS);
  }
}
