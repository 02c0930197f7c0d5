/** Responses that are complete before their request's end (RFC 9112, 9.3; RFC 9113, 8.1), over every HTTP version. */
import type { LimitName, Limits } from "../limits/limits.ts";

/** A limit that ends the reading of a request after its response. "discardIdleMs" is normal, the others are logged. */
export type DiscardLimit = Extract<LimitName, "discardedBytes" | "requestMs" | "discardIdleMs">;

/**
 * Decides how long such a response waits for the request's end, and how long the rest of the request is read and
 * discarded after the response. Many clients lose a response that comes while they still send: curl 7.88 if the stream
 * is reset, httpx if it cannot send all, and every client if its socket is.
 */
export class EarlyResponse {
  readonly #limits: Limits;
  /** ms: when the response was complete; once the response is sent, when it was. */
  #since: number;
  /** Time at which the last bytes of the request came. */
  #heardAt: number;
  /** Bytes of the request that came since then. */
  #bytes = 0;
  isSent = false;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#since = now;
    this.#heardAt = now;
  }

  /** Notes that bytes of the request came, which are discarded. */
  received(bytes: number, now: number): void {
    this.#bytes += bytes;
    if (bytes > 0) this.#heardAt = now;
  }

  /** True if the response must not wait any longer. */
  isDue(now: number): boolean {
    const { earlyResponseBytes, earlyResponseMs, earlyResponseIdleMs } = this.#limits;
    return (
      this.#bytes > earlyResponseBytes ||
      now - this.#since >= earlyResponseMs ||
      now - this.#heardAt >= earlyResponseIdleMs
    );
  }

  /** Notes that the response was sent. */
  sent(now: number): void {
    this.isSent = true;
    this.#since = now;
    this.#heardAt = now;
    this.#bytes = 0;
  }

  /** Returns why the rest of the request is not to be read any longer; undefined if it is. */
  exceededLimit(now: number): DiscardLimit | undefined {
    const { discardedBytes, requestMs, discardIdleMs } = this.#limits;
    if (this.#bytes > discardedBytes) return "discardedBytes";
    if (now - this.#since > requestMs) return "requestMs";
    return now - this.#heardAt >= discardIdleMs ? "discardIdleMs" : undefined;
  }
}

/** Returns the words for the log on a limit that ended the discarding. */
export function discardMessage(limit: Exclude<DiscardLimit, "discardIdleMs">, limits: Limits): string {
  return limit === "requestMs"
    ? `the rest of a request took over ${limits.requestMs} ms after its response`
    : `the rest of a request exceeds ${limits.discardedBytes} bytes after its response`;
}
