/** Traces calls: makes a span for each call that is chosen, which is the parent of the spans that its handler starts. */

import type { Code } from "@connectrpc/connect";
import type { Log } from "../server/log/record.ts";
import type { CallScope, ObservedCall, Observer } from "../server/rpc/observer.ts";
import type { Api, Context, Link, Span } from "./opentelemetry.ts";
import {
  isLeftOut,
  isServerError,
  OTHER_METHOD,
  protocolVersion,
  rpcMethod,
  rpcStatusCode,
  rpcSystem,
} from "./rpc-attributes.ts";
import { parseTraceParent, type TraceParent } from "./trace-context.ts";
import { createTraceProvider, type TraceProvider } from "./trace-provider.ts";
import { type TimeOf, WallClock } from "./wall-clock.ts";

export interface TracingSettings {
  /** The share of calls that are traced, from 0 to 1. */
  readonly traceRatio: number;
  /** True if the trace of the caller is continued, and the caller decides if it is sampled. Otherwise it is linked. */
  readonly traceTrust: boolean;
}

/** The part of telemetry that traces calls. */
export interface Tracing {
  readonly observer: Observer;
  /** Sends the spans that have ended. Resolves when they are sent or lost, which may take long; never rejects. */
  close(): Promise<void>;
  /** Returns the trace id of the span of a call, or undefined if the call has none. Must be called before `observer.end`. */
  traceIdOf(call: ObservedCall): string | undefined;
}

/** The lowest bit of `traceFlags`. */
const SAMPLED = 1;

/** Clients choose the path of a method that is not served, so its length is limited. */
const MAX_PATH_CHARACTERS = 256;

/**
 * Returns the part that traces calls. Returns undefined, and loads no package, if OTEL_SDK_DISABLED turns traces off.
 * Rejects with TelemetryError if a package is missing or a variable is invalid.
 */
export async function createTracing(settings: TracingSettings, log: Log): Promise<Tracing | undefined> {
  if (process.env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true") return undefined;
  const provider = await createTraceProvider(log);
  const observer = new TracingObserver(settings, provider);
  return { observer, traceIdOf: (call) => observer.traceIdOf(call), close: () => provider.flush() };
}

/** The span of one call. Runs its handler in the context of the span. */
class CallSpan implements CallScope {
  readonly span: Span;
  /** Returns the time of day of a time of `performance.now()`, by the clock at the start of the span. */
  readonly timeOf: TimeOf;
  readonly #api: Api;
  readonly #context: Context;

  constructor(span: Span, timeOf: TimeOf, api: Api) {
    this.span = span;
    this.timeOf = timeOf;
    this.#api = api;
    this.#context = api.trace.setSpan(api.ROOT_CONTEXT, span);
  }

  run<T>(run: () => T): T {
    return this.#api.context.with(this.#context, run);
  }
}

class TracingObserver implements Observer {
  readonly #ratio: number;
  readonly #trust: boolean;
  readonly #provider: TraceProvider;
  readonly #clock = new WallClock();
  /** The spans that have not ended. Most calls have none. */
  readonly #spans = new Map<ObservedCall, CallSpan>();

  constructor({ traceRatio, traceTrust }: TracingSettings, provider: TraceProvider) {
    this.#ratio = traceRatio;
    this.#trust = traceTrust;
    this.#provider = provider;
  }

  /** Decides by the ratio before anything is allocated, because a span costs as much as the whole rest of a call. */
  begin(call: ObservedCall): CallScope | undefined {
    if (this.#trust) {
      const caller = parseTraceParent(call.header("traceparent"));
      if (caller !== undefined) return (caller.traceFlags & SAMPLED) === 0 ? undefined : this.#start(call, caller);
    }
    return Math.random() < this.#ratio ? this.#start(call, undefined) : undefined;
  }

  end(call: ObservedCall, code: Code | undefined): void {
    if (this.#spans.size === 0) return;
    const entry = this.#spans.get(call);
    if (entry === undefined) return;
    this.#spans.delete(call);
    const { span, timeOf } = entry;
    const status = rpcStatusCode(rpcSystem(call.protocolName), code);
    span.setAttribute("rpc.status_code", status);
    if (isServerError(code)) {
      span.setAttribute("error.type", status);
      span.setStatus({ code: this.#provider.api.SpanStatusCode.ERROR });
    }
    span.end(timeOf(performance.now()));
  }

  traceIdOf(call: ObservedCall): string | undefined {
    return this.#spans.get(call)?.span.spanContext().traceId;
  }

  /** Starts the span of a call. `caller` is its parent. Otherwise the span begins a trace, which has a link to the caller. */
  #start(call: ObservedCall, caller: TraceParent | undefined): CallScope | undefined {
    if (isLeftOut(call.method)) return undefined;
    const { api, root, tracer } = this.#provider;
    const timeOf = this.#clock.read();
    const system = rpcSystem(call.protocolName);
    const method = rpcMethod(call.method);
    const span = tracer.startSpan(
      method === OTHER_METHOD ? system : method,
      {
        kind: api.SpanKind.SERVER,
        startTime: timeOf(call.startedAt),
        links: caller === undefined ? this.#linkToCaller(call) : [],
        attributes: {
          "rpc.system.name": system,
          "rpc.method": method,
          ...(call.method === undefined && { "rpc.method_original": call.path.slice(1, 1 + MAX_PATH_CHARACTERS) }),
          "network.protocol.version": protocolVersion(call.httpVersion),
          ...(call.peer.address !== undefined && { "client.address": call.peer.address }),
        },
      },
      caller === undefined ? root : this.#parentContext(call, caller),
    );
    const scope = new CallSpan(span, timeOf, api);
    this.#spans.set(call, scope);
    return scope;
  }

  #linkToCaller(call: ObservedCall): Link[] {
    const caller = parseTraceParent(call.header("traceparent"));
    return caller === undefined ? [] : [{ context: { ...caller, isRemote: true } }];
  }

  #parentContext(call: ObservedCall, caller: TraceParent): Context {
    const { api } = this.#provider;
    const state = call.header("tracestate");
    const traceState = state === undefined ? undefined : api.createTraceState(state);
    const parent = { ...caller, isRemote: true, ...(traceState !== undefined && { traceState }) };
    return api.trace.setSpanContext(api.ROOT_CONTEXT, parent);
  }
}
