/** The age of a connection, at which it closes gracefully: maxConnectionAgeMs and maxConnectionAgeGraceMs. */
import type { Limits } from "./limits.ts";

/** The largest part of the maximum age by which that of a connection differs from it (gRPC proposal A9). */
const JITTER = 0.1;
/** The reason in GOAWAY of a connection that has reached its maximum age (gRPC proposal A9). */
export const MAX_AGE = "max_age";
/** Time between the errors for calls in flight and the end of their connection, in which clients receive the errors. */
const ERROR_RESPONSES_MS = 1_000;

/** The step that is due: a graceful close, error responses to the calls in flight, or the end of the connection. */
export type DueForAge = "close" | "end-calls" | "cut";

export class ConnectionAge {
  readonly #graceMs: number;
  /** Time at which the graceful close is due. */
  readonly #closeAt: number;
  #isClosing = false;
  /** Time since which there has been a call in flight. Valid when the connection is closing. */
  #callsSince = 0;
  #hasEndedCalls = false;

  constructor({ maxConnectionAgeMs, maxConnectionAgeGraceMs }: Limits, now: number) {
    this.#graceMs = maxConnectionAgeGraceMs;
    this.#closeAt = now + maxConnectionAgeMs * (1 + JITTER * (2 * Math.random() - 1));
  }

  /**
   * Returns the step that is due at the time `now`, or undefined. Returns "close" and "end-calls" once each, and "cut"
   * until the connection has ended. `hasCalls` is true if a call is in flight. A connection without calls is not cut.
   */
  check(now: number, hasCalls: boolean): DueForAge | undefined {
    if (now <= this.#closeAt) return undefined;
    if (!this.#isClosing || !hasCalls) {
      const isDue = !this.#isClosing;
      this.#isClosing = true;
      this.#callsSince = now;
      this.#hasEndedCalls = false;
      return isDue ? "close" : undefined;
    }
    if (now - this.#callsSince <= this.#graceMs) return undefined;
    if (!this.#hasEndedCalls) {
      this.#hasEndedCalls = true;
      return "end-calls";
    }
    return now - this.#callsSince <= this.#graceMs + ERROR_RESPONSES_MS ? undefined : "cut";
  }
}
