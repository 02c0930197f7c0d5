/** Calls on the fast path, and the contexts of their handlers. Headers, values and signal are created when first read. */
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { urlOf } from "../../http/authority.ts";
import type { Exchange, Field, Piece, ResponseHead } from "../../http/exchange.ts";
import { callCancelled } from "../call-errors.ts";
import { peerValues } from "../context-values.ts";
import type { DeadlineEntry } from "../deadlines.ts";
import type { Observation } from "../observation.ts";
import { requestHeaders } from "../request-headers.ts";
import type { Call, Negotiation, StreamNegotiation, UnaryNegotiation } from "./protocol.ts";

/** The timeout of a call whose client has set none. */
export const NO_TIMEOUT = Number.POSITIVE_INFINITY;

export class FastPathCall implements Call, HandlerContext {
  readonly exchange: Exchange;
  readonly negotiation: Negotiation;
  /** Time at which the call ends with deadline_exceeded, in ms of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  /** The timeout that the client has set; Infinity for none. */
  readonly #timeoutMs: number;
  /**
   * True if the fast path has begun to respond, or has left the call to Connect's handlers. A later result of the
   * handler or gate is dropped.
   */
  isFinished = false;
  /** True if `end` was called. */
  hasEnded = false;
  /** The observation of the call. Undefined if calls are not observed. */
  observation: Observation | undefined;
  #abort: AbortController | undefined;
  #onShutdown: (() => void) | undefined;
  /** The argument of `end`. If the signal is first read after that, it is aborted with this reason. */
  #reason: unknown;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  /**
   * `timeoutMs` is the timeout that the client has set, or Infinity. `maxMs` is the maximum
   * duration of the call.
   */
  constructor(exchange: Exchange, negotiation: Negotiation, timeoutMs: number, maxMs: number) {
    this.exchange = exchange;
    this.negotiation = negotiation;
    this.deadline = exchange.startedAt + Math.min(timeoutMs, maxMs);
    this.#timeoutMs = timeoutMs;
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
    return urlOf(this.exchange.request);
  }
  get requestHeader(): Headers {
    this.#requestHeader ??= requestHeaders(this.exchange.request);
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
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.hasEnded) this.#abort.abort(this.#reason);
      else this.listen();
    }
    return this.#abort.signal;
  }
  get timeoutMs(): () => number | undefined {
    const timeoutMs = this.#timeoutMs;
    return () => (timeoutMs === NO_TIMEOUT ? undefined : this.exchange.startedAt + timeoutMs - performance.now());
  }

  /** True if the deadline has passed and the client has set a timeout. */
  get isLate(): boolean {
    return this.#timeoutMs !== NO_TIMEOUT && performance.now() >= this.deadline;
  }

  get touchedHeader(): Headers | undefined {
    return this.#responseHeader;
  }
  get touchedTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** The reason that the signal was aborted with, or would be if it was read. Undefined if the call has not ended. */
  get abortReason(): unknown {
    return this.hasEnded ? this.#reason : undefined;
  }

  respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    if (this.observation !== undefined) this.observation.responseBytes += body.length;
    this.exchange.respond(head, body, trailers);
  }

  /**
   * Marks the call as finished, and aborts `signal` if something has read `signal`. `error` is undefined after a
   * success, and for a call that is left to Connect's handlers.
   */
  finish(error?: unknown): void {
    this.isFinished = true;
    if (this.#onShutdown !== undefined)
      this.negotiation.method.shutdownSignal.removeEventListener("abort", this.#onShutdown);
    this.end(error);
  }

  /** Aborts `signal` if something has read `signal`. Only the first call has an effect. */
  end(reason: unknown): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.#reason = reason;
    this.#abort?.abort(reason);
  }

  /** Ends the call when it is cancelled, or at a shutdown. Only the first call has an effect. */
  listen(): void {
    if (this.#onShutdown !== undefined) return;
    const shutdown = this.negotiation.method.shutdownSignal;
    this.#onShutdown = () => this.end(shutdown.reason);
    if (shutdown.aborted) this.#onShutdown();
    else shutdown.addEventListener("abort", this.#onShutdown);
    this.exchange.onCancelled = this;
  }

  /** Ends the call because its exchange is cancelled. */
  onCancelled(status?: number): void {
    this.end(callCancelled());
    this.observation?.onCancelled(status);
  }
}

export class UnaryCall extends FastPathCall implements DeadlineEntry<UnaryCall> {
  declare readonly negotiation: UnaryNegotiation;
  next: UnaryCall | undefined;
  previous: UnaryCall | undefined;
}

export class StreamCall extends FastPathCall implements DeadlineEntry<StreamCall> {
  declare readonly negotiation: StreamNegotiation;
  next: StreamCall | undefined;
  previous: StreamCall | undefined;
  /** True if the head of the response was sent. */
  isStarted = false;
  /** True if the exchange is cancelled. */
  isCancelled = false;
  /** The messages of the request; undefined until the request gate has passed. */
  requests: { close(): void } | undefined;
  /** Called once, when the call ends. */
  onEnded: (() => void) | undefined;

  /** Counts a piece of the request's body. */
  received(piece: Uint8Array): void {
    if (this.observation !== undefined) this.observation.requestBytes += piece.length;
  }

  /** Sends a piece of the response, like `write` of the exchange. */
  write(piece: Piece): Promise<void> | undefined {
    if (this.observation !== undefined) this.observation.responseBytes += piece.length;
    return this.exchange.write(piece);
  }

  override end(reason: unknown): void {
    if (this.hasEnded) return;
    super.end(reason);
    this.onEnded?.();
  }

  override onCancelled(status?: number): void {
    this.isCancelled = true;
    super.onCancelled(status);
  }
}

/** Creates the context values of a call if a function of the application makes them, even if nothing reads them. */
export function createValues(call: FastPathCall): void {
  if (call.negotiation.method.contextValues !== undefined) void call.values;
}
