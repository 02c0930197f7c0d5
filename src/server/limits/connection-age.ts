/** The age of a connection, at which it closes gracefully: maxConnectionAgeMs and maxConnectionAgeGraceMs. */
import type { Limits } from "./limits.ts";

/** The largest part of the maximum age by which that of a connection differs from it (gRPC proposal A9). */
const JITTER = 0.1;
/** The reason in GOAWAY of a connection that has reached its maximum age (gRPC proposal A9). */
export const MAX_AGE = "max_age";
/** Time between the errors for exchanges in flight and the end of their connection, in which clients receive the errors. */
const ERROR_RESPONSES_MS = 1_000;

/** The step that is due: a graceful close, error responses to the exchanges in flight, or the end of the connection. */
export type DueForAge = "close" | "end-exchanges" | "cut";

export class ConnectionAge {
  readonly #graceMs: number;
  /** Time at which the graceful close is due. */
  readonly #closeAt: number;
  #isClosing = false;
  /** Time since which there has been an exchange in flight. Valid when the connection is closing. */
  #busySince = 0;
  #hasEndedExchanges = false;

  constructor({ maxConnectionAgeMs, maxConnectionAgeGraceMs }: Limits, now: number) {
    this.#graceMs = maxConnectionAgeGraceMs;
    this.#closeAt = now + maxConnectionAgeMs * (1 + JITTER * (2 * Math.random() - 1));
  }

  /**
   * Returns the step that is due at the time `now`, or undefined. Returns "close" and "end-exchanges" once each, and "cut"
   * until the connection has ended. `isBusy` is true if an exchange is in flight, the oldest of which
   * began at `oldestAt`. A connection without exchanges is not cut.
   */
  check(now: number, isBusy: boolean, oldestAt = 0): DueForAge | undefined {
    if (now <= this.#closeAt) return undefined;
    if (!this.#isClosing || !isBusy) {
      const isDue = !this.#isClosing;
      this.#isClosing = true;
      this.#busySince = now;
      this.#hasEndedExchanges = false;
      return isDue ? "close" : undefined;
    }
    const since = Math.max(this.#busySince, oldestAt);
    if (now - since <= this.#graceMs) return undefined;
    if (!this.#hasEndedExchanges) {
      this.#hasEndedExchanges = true;
      return "end-exchanges";
    }
    return now - since <= this.#graceMs + ERROR_RESPONSES_MS ? undefined : "cut";
  }
}
