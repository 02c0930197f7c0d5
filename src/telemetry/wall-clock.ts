/** The time of day to the microsecond, which `Date.now()` gives only in whole ms. */

/** Converts a time of `performance.now()` to seconds since 1970, and nanoseconds. */
export type TimeOf = (ms: number) => [seconds: number, nanoseconds: number];

/** Derives the time of day from `performance.now()`, and follows the system's clock when that is set. */
export class WallClock {
  /** The time of day at which `performance.now()` was 0, in ms since 1970. */
  #origin = performance.timeOrigin;

  /** Returns a conversion that is not changed if the system's clock is set. */
  read(): TimeOf {
    // Date.now() has no fractions, so the origin is less than 1 ms after `earliest`. Readings narrow it down further.
    const earliest = Date.now() - performance.now();
    const origin = Math.min(Math.max(this.#origin, earliest), earliest + 1);
    this.#origin = origin;
    return (ms) => {
      const time = origin + ms;
      const seconds = Math.floor(time / 1_000);
      return [seconds, Math.floor((time - seconds * 1_000) * 1_000_000)];
    };
  }
}
