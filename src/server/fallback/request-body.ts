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
  /** Rejects the pending `next`. */
  #interrupt: (() => void) | undefined;
  #isStopped = false;

  constructor({ body }: Exchange, options: RequestBodyOptions) {
    this.#pieces = body[Symbol.asyncIterator]();
    this.#options = options;
    this.#leftMs = options.limits.requestMs;
  }

  /** Resolves with the next piece, or with undefined at the end. Rejects if the exchange is cancelled, or after `stop`. */
  next(): Promise<Uint8Array | undefined> {
    const startedAt = processNow();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
    const stopTimeout = this.#startTimeout();
    this.#interrupt = () => {
      stopTimeout?.();
      reject(new Error("read body: the request was cancelled"));
    };
    if (this.#isStopped) this.#interrupt();
    else {
      this.#pieces.next().then(({ value }: IteratorResult<Uint8Array, undefined>) => {
        stopTimeout?.();
        this.#received(value?.length ?? 0, processNow() - startedAt);
        resolve(value);
      }, this.#interrupt);
    }
    return promise;
  }

  /** Stops reading. A `next` that is pending rejects. The rest of the body is discarded. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#interrupt?.();
    this.#pieces.return?.().catch(() => {}); // not awaited, because it waits for a pending `next`
  }

  #startTimeout(): (() => void) | undefined {
    if (this.#leftMs === Number.POSITIVE_INFINITY) return undefined;
    return startProcessTimeout(Math.max(1, this.#leftMs), () => this.#timeOut());
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
