/** Checks that a client reads its responses fast enough. */
import type { Limits } from "./limits.ts";

export class ReadRate {
  readonly #limits: Limits;
  /** The bytes that the client had read when the measurement started. */
  #from = 0;
  /** The start of the measurement in ms, or -1 while nothing is queued. */
  #since = -1;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Starts or continues a measurement at the time `now` in ms. `queued` bytes wait for the client. The client has read
   * `read` bytes since it connected. If `queued` is 0, the measurement is dropped. A measurement ends after
   * `readRateMs`. Returns a message if the measurement has ended and the rate was too low. Otherwise returns undefined.
   */
  check(now: number, queued: number, read: number): string | undefined {
    const { readBytesPerSecond, readRateMs } = this.#limits;
    if (queued === 0 || this.#since < 0) {
      this.#since = queued === 0 ? -1 : now;
      this.#from = read;
      return undefined;
    }
    const ms = now - this.#since;
    if (ms < readRateMs) return undefined;
    const rate = ((read - this.#from) / ms) * 1000;
    this.#since = now;
    this.#from = read;
    if (rate >= readBytesPerSecond) return undefined;
    return `responses are read at ${Math.floor(rate)} bytes per second, below ${readBytesPerSecond}`;
  }
}
