/** Early responses, which are complete before their request (RFC 9112, 9.3; RFC 9113, 8.1), for every HTTP version. */
import type { LimitName, Limits } from "../limits/limits.ts";

/** A limit on the rest of a request after its response. Reaching "discardIdleMs" is normal and is not logged. */
export type DiscardLimit = Extract<LimitName, "discardedBytes" | "requestMs" | "discardIdleMs">;

/**
 * Decides how long an early response waits for the end of its request. After the response was sent, decides how long
 * the rest of the request is read and discarded. All times must be in ms of the same clock.
 *
 * Many clients lose a response that arrives while they are sending: curl 7.88 if the stream is reset, httpx if it
 * cannot send the whole request, and every client if the connection is reset.
 */
export class EarlyResponse {
  readonly #limits: Limits;
  /** Time at which the response was complete. After `sent`, the time at which it was sent. */
  #since: number;
  /** Time at which bytes of the request were most recently received; `#since` if none were received after it. */
  #receivedAt: number;
  /** Bytes of the request that were received since `#since`. */
  #bytes = 0;
  isSent = false;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#since = now;
    this.#receivedAt = now;
  }

  /** Counts bytes of the request that were received and discarded. */
  received(bytes: number, now: number): void {
    this.#bytes += bytes;
    if (bytes > 0) this.#receivedAt = now;
  }

  /** True if the response must be sent now, although the request is not complete. */
  isDue(now: number): boolean {
    const { earlyResponseBytes, earlyResponseMs, earlyResponseIdleMs } = this.#limits;
    return (
      this.#bytes > earlyResponseBytes ||
      now - this.#since >= earlyResponseMs ||
      now - this.#receivedAt >= earlyResponseIdleMs
    );
  }

  /** Records that the response was sent, and starts to measure the rest of the request. */
  sent(now: number): void {
    this.isSent = true;
    this.#since = now;
    this.#receivedAt = now;
    this.#bytes = 0;
  }

  /** Returns the limit that the rest of the request has exceeded, or undefined. */
  exceededLimit(now: number): DiscardLimit | undefined {
    const { discardedBytes, requestMs, discardIdleMs } = this.#limits;
    if (this.#bytes > discardedBytes) return "discardedBytes";
    if (now - this.#since > requestMs) return "requestMs";
    return now - this.#receivedAt >= discardIdleMs ? "discardIdleMs" : undefined;
  }
}
