/** A unary call on the fast path, and the context of its handler. Headers, values and signal are created when first read. */
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { urlOf } from "../../http/authority.ts";
import type { Exchange } from "../../http/exchange.ts";
import { callCancelled } from "../call-errors.ts";
import { peerValues } from "../context-values.ts";
import type { DeadlineEntry } from "../deadlines.ts";
import type { Call, Negotiation } from "./protocol.ts";

export class UnaryCall implements Call, HandlerContext, DeadlineEntry<UnaryCall> {
  readonly exchange: Exchange;
  readonly negotiation: Negotiation;
  /** Time at which the call ends with deadline_exceeded, in ms of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  next: UnaryCall | undefined;
  previous: UnaryCall | undefined;
  /**
   * True if the fast path has begun to respond, or has left the call to Connect's handlers. A later result of the
   * handler or gate is dropped.
   */
  isFinished = false;
  #abort: AbortController | undefined;
  #onShutdown: (() => void) | undefined;
  /** The error that finished the call. If the signal is first read after that, it is aborted with this error. */
  #error: unknown;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  /** `maxMs` is `RpcOptions.deadlineMs`. */
  constructor(exchange: Exchange, negotiation: Negotiation, maxMs: number) {
    this.exchange = exchange;
    this.negotiation = negotiation;
    const { timeoutMs } = negotiation;
    this.deadline = exchange.startedAt + (timeoutMs === undefined || timeoutMs > maxMs ? maxMs : timeoutMs);
  }

  get method() {
    return this.negotiation.method.desc;
  }
  get service() {
    return this.negotiation.method.desc.parent;
  }
  get protocolName() {
    return this.negotiation.protocol.name;
  }
  get requestMethod() {
    return this.exchange.request.method;
  }
  get url() {
    this.negotiation.url ??= urlOf(this.exchange.request);
    return this.negotiation.url;
  }
  get requestHeader(): Headers {
    if (this.#requestHeader === undefined) {
      const { negotiation, exchange } = this;
      negotiation.requestHeader ??= new Headers(exchange.request.fields as [string, string][]);
      this.#requestHeader = new Headers(negotiation.requestHeader);
    }
    return this.#requestHeader;
  }
  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers(this.negotiation.heads.header);
    return this.#responseHeader;
  }
  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers(this.negotiation.protocol.okTrailer as [string, string][]);
    return this.#responseTrailer;
  }
  get values(): ContextValues {
    this.#values ??= (this.negotiation.method.contextValues ?? peerValues)(this.exchange);
    return this.#values;
  }
  get signal(): AbortSignal {
    this.#abort ??= this.#listen();
    return this.#abort.signal;
  }
  get timeoutMs(): () => number | undefined {
    const { timeoutMs } = this.negotiation;
    return () => (timeoutMs === undefined ? undefined : this.exchange.startedAt + timeoutMs - performance.now());
  }

  /** True if the deadline has passed and the client has set a timeout. */
  get isLate(): boolean {
    return this.negotiation.timeoutMs !== undefined && performance.now() >= this.deadline;
  }

  get touchedHeader(): Headers | undefined {
    return this.#responseHeader;
  }
  get touchedTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** The reason that the signal was aborted with. Undefined if the signal was not aborted, or never read. */
  get abortReason(): unknown {
    return this.#abort?.signal.aborted ? this.#abort.signal.reason : undefined;
  }

  /**
   * Marks the call as finished, and aborts `signal` if something has read `signal`. `error` is undefined after a
   * success, and for a call that is left to Connect's handlers.
   */
  finish(error?: unknown): void {
    this.isFinished = true;
    this.#error = error;
    if (this.#abort === undefined) return;
    if (this.#onShutdown !== undefined)
      this.negotiation.method.shutdownSignal.removeEventListener("abort", this.#onShutdown);
    this.#abort.abort(error);
  }

  #listen(): AbortController {
    const abort = new AbortController();
    if (this.isFinished) {
      abort.abort(this.#error);
      return abort;
    }
    const shutdown = this.negotiation.method.shutdownSignal;
    this.#onShutdown = () => abort.abort(shutdown.reason);
    if (shutdown.aborted) this.#onShutdown();
    else shutdown.addEventListener("abort", this.#onShutdown);
    this.exchange.onCancelled = () => abort.abort(callCancelled());
    return abort;
  }
}
