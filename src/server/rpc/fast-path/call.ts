/** One unary call: the context that its handler gets, each part made when it is first asked for. */
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { urlOf } from "../../http/authority.ts";
import type { Exchange } from "../../http/exchange.ts";
import { callerGone } from "../call-ends.ts";
import type { Waiting } from "../deadlines.ts";
import { contextValuesOf } from "../peer.ts";
import type { Plan } from "./negotiation.ts";

export class UnaryCall implements HandlerContext, Waiting<UnaryCall> {
  readonly exchange: Exchange;
  readonly plan: Plan;
  /** When it is given up, in ms of performance.now(); Infinity for never. */
  readonly deadline: number;
  next: UnaryCall | undefined;
  previous: UnaryCall | undefined;
  /** Its answer is given: a later one is dropped. */
  answered = false;
  #abort: AbortController | undefined;
  #onShutdown: (() => void) | undefined;
  /** The error that ended the call, for a signal that is asked for afterwards. */
  #ended: unknown;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  /** deadlineMs is the longest that a call may take, whatever its caller says. */
  constructor(exchange: Exchange, plan: Plan, deadlineMs: number) {
    this.exchange = exchange;
    this.plan = plan;
    const { timeoutMs } = plan;
    this.deadline = exchange.startedAt + (timeoutMs === undefined || timeoutMs > deadlineMs ? deadlineMs : timeoutMs);
  }

  // HandlerContext.

  get method() {
    return this.plan.method.desc;
  }
  get service() {
    return this.plan.method.desc.parent;
  }
  get protocolName() {
    return this.plan.wire.protocolName;
  }
  get requestMethod() {
    return this.exchange.request.method;
  }
  get url() {
    this.plan.url ??= urlOf(this.exchange.request);
    return this.plan.url;
  }
  get requestHeader(): Headers {
    if (this.#requestHeader === undefined) {
      const { plan, exchange } = this;
      plan.requestHeader ??= new Headers(exchange.request.fields as [string, string][]);
      this.#requestHeader = new Headers(plan.requestHeader);
    }
    return this.#requestHeader;
  }
  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers(this.plan.heads.header);
    return this.#responseHeader;
  }
  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers(this.plan.wire.trailerFields as [string, string][]);
    return this.#responseTrailer;
  }
  get values(): ContextValues {
    this.#values ??= contextValuesOf(this.exchange);
    return this.#values;
  }
  get signal(): AbortSignal {
    this.#abort ??= this.#listen();
    return this.#abort.signal;
  }
  get timeoutMs(): () => number | undefined {
    const { timeoutMs } = this.plan;
    return () => (timeoutMs === undefined ? undefined : this.exchange.startedAt + timeoutMs - performance.now());
  }

  /** True if the caller's deadline has passed. */
  get isLate(): boolean {
    return this.plan.timeoutMs !== undefined && performance.now() >= this.deadline;
  }

  /** The header and trailer that were asked for, and may have been changed. */
  get touchedHeader(): Headers | undefined {
    return this.#responseHeader;
  }
  get touchedTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Why the call ended before its handler did; undefined where it did not, or nobody asked for its signal. */
  get endReason(): unknown {
    return this.#abort?.signal.aborted ? this.#abort.signal.reason : undefined;
  }

  /** Ends the call's signal, where there is one, with the error that ended the call, if any. */
  finish(error?: unknown): void {
    this.answered = true;
    this.#ended = error;
    if (this.#abort === undefined) return;
    if (this.#onShutdown !== undefined) this.plan.method.shutdownSignal.removeEventListener("abort", this.#onShutdown);
    this.#abort.abort(error);
  }

  #listen(): AbortController {
    const abort = new AbortController();
    if (this.answered) {
      abort.abort(this.#ended);
      return abort;
    }
    const shutdown = this.plan.method.shutdownSignal;
    this.#onShutdown = () => abort.abort(shutdown.reason);
    if (shutdown.aborted) this.#onShutdown();
    else shutdown.addEventListener("abort", this.#onShutdown);
    this.exchange.onCancelled = () => abort.abort(callerGone());
    return abort;
  }
}
