/** Whether a peer takes what waits for it fast enough. */
import type { Limits } from "./limits.ts";

export class ReadRate {
  readonly #limits: Limits;
  #from = 0;
  /** ms; -1 while nothing waits. */
  #since = -1;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Looks at a time in ms at how many bytes wait for the peer, and how many it took since the connection's beginning.
   * What is too slow, or undefined where it is not, or cannot be said yet.
   */
  check(now: number, waiting: number, taken: number): string | undefined {
    const { readBytesPerSecond, readRateMs } = this.#limits;
    if (waiting === 0 || this.#since < 0) {
      this.#since = waiting === 0 ? -1 : now;
      this.#from = taken;
      return undefined;
    }
    const ms = now - this.#since;
    if (ms < readRateMs) return undefined;
    const rate = ((taken - this.#from) / ms) * 1000;
    this.#since = now;
    this.#from = taken;
    if (rate >= readBytesPerSecond) return undefined;
    return `answers are read at ${Math.floor(rate)} bytes per second, below ${readBytesPerSecond}`;
  }
}
