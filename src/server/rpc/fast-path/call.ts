/** A unary call on the fast path, and the context of its handler. Headers, values and signal are created when first read. */
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { urlOf } from "../../http/authority.ts";
import type { Exchange, RequestHead } from "../../http/exchange.ts";
import { callCancelled } from "../call-errors.ts";
import { peerValues } from "../context-values.ts";
import type { DeadlineEntry } from "../deadlines.ts";
import type { Call, Negotiation } from "./protocol.ts";

/** The timeout of a call whose client has set none. */
export const NO_TIMEOUT = Number.POSITIVE_INFINITY;

/** The headers and the URL of a request head, which are created when first read. */
class ParsedHead {
  static readonly #heads = new WeakMap<RequestHead, ParsedHead>();
  readonly #head: RequestHead;
  #header: Headers | undefined;
  #url: string | undefined;

  constructor(head: RequestHead) {
    this.#head = head;
  }

  /** Returns the same object for the same head, which requests may share. */
  static of(head: RequestHead): ParsedHead {
    let parsed = ParsedHead.#heads.get(head);
    if (parsed === undefined) {
      parsed = new ParsedHead(head);
      ParsedHead.#heads.set(head, parsed);
    }
    return parsed;
  }

  /** Must be copied for a call, because handlers may change their headers. Copying costs less than parsing the fields. */
  get header(): Headers {
    this.#header ??= new Headers(this.#head.fields as [string, string][]);
    return this.#header;
  }

  get url(): string {
    this.#url ??= urlOf(this.#head);
    return this.#url;
  }
}

export class UnaryCall implements Call, HandlerContext, DeadlineEntry<UnaryCall> {
  readonly exchange: Exchange;
  readonly negotiation: Negotiation;
  /** Time at which the call ends with deadline_exceeded, in ms of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  /** The timeout that the client has set; Infinity for none. */
  readonly #timeoutMs: number;
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

  /** `timeoutMs` is the timeout that the client has set, or Infinity. `maxMs` is `RpcOptions.deadlineMs`. */
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
    return ParsedHead.of(this.exchange.request).url;
  }
  get requestHeader(): Headers {
    this.#requestHeader ??= new Headers(ParsedHead.of(this.exchange.request).header);
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
