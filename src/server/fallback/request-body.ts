/** The body of a request to the fallback, with a limit on the time in which its client sends it. */
import type { Exchange } from "../http/exchange.ts";
import { slowRequestMessage } from "../http/limit-messages.ts";
import { processNow, startProcessTimeout } from "../limits/process-clock.ts";
import type { FallbackContext } from "./context.ts";

export interface RequestBodyOptions extends FallbackContext {
  /** Called once, when the client has exceeded the limit. */
  readonly onSlow: () => void;
}

/**
 * The client has `requestMs` for each `messageBytes` of the body, because a body may have any size. The time in which
 * the application does not read the body is not counted.
 */
export class RequestBody {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #options: RequestBodyOptions;
  /** The time that is left until `messageBytes` have been received, in ms. */
  #leftMs: number;
  /** The bytes that were received in the current `requestMs`. */
  #bytes = 0;
  #stopTimeout: (() => void) | undefined;

  constructor({ body }: Exchange, options: RequestBodyOptions) {
    this.#pieces = body[Symbol.asyncIterator]();
    this.#options = options;
    this.#leftMs = options.limits.requestMs;
  }

  /** Resolves with the next piece, or with undefined at the end. Rejects if the exchange is cancelled. */
  async next(): Promise<Uint8Array | undefined> {
    const startedAt = processNow();
    if (this.#leftMs !== Number.POSITIVE_INFINITY) {
      this.#stopTimeout = startProcessTimeout(this.#leftMs, () => this.#timeOut());
    }
    try {
      const { value } = (await this.#pieces.next()) as IteratorResult<Uint8Array, undefined>;
      this.#received(value?.length ?? 0, processNow() - startedAt);
      return value;
    } finally {
      this.#stopTimeout?.();
    }
  }

  /** Stops reading. The rest of the body is discarded. Must be called if the body was not read to its end. */
  stop(): void {
    this.#stopTimeout?.();
    this.#pieces.return?.().catch(() => {}); // not awaited, because it waits for a pending `next`
  }

  #received(bytes: number, ms: number): void {
    const { requestMs, messageBytes } = this.#options.limits;
    this.#bytes += bytes;
    this.#leftMs -= ms;
    if (this.#bytes < messageBytes) return;
    this.#bytes = 0;
    this.#leftMs = requestMs;
  }

  #timeOut(): void {
    const { limits, onLimit, onSlow } = this.#options;
    onLimit("requestMs", slowRequestMessage(limits));
    onSlow();
  }
}
