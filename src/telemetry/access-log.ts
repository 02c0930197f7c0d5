/** The access log: a record for a share of the calls, and for calls that end with an error of the server. */
import type { Code } from "@connectrpc/connect";
import { quote } from "../server/log/quote.ts";
import type { Log, LogRecord } from "../server/log/record.ts";
import { Throttle, withLeftOut } from "../server/log/throttled-log.ts";
import type { ObservedCall, Observer } from "../server/rpc/observer.ts";
import { isLeftOut, isServerError, protocolVersion, rpcMethod, rpcStatusCode, rpcSystem } from "./rpc-attributes.ts";
import { parseTraceParent } from "./trace-context.ts";

export interface AccessLogOptions {
  /** The share of calls that are logged, from 0 to 1. */
  readonly ratio: number;
  /** Writes the records. */
  readonly log: Log;
  /** Returns the trace id of the server's own span of a call, if it has one. */
  readonly traceIdOf: ((call: ObservedCall) => string | undefined) | undefined;
}

/**
 * Returns the part of telemetry that writes the access log. A share of the calls is logged. Calls with an error of the server
 * are always logged, but at most one a second for each method and code. Calls of health and reflection are left out.
 */
export function createAccessLog(options: AccessLogOptions): { readonly observer: Observer } {
  return { observer: new AccessLog(options) };
}

class AccessLog implements Observer {
  readonly #options: AccessLogOptions;
  readonly #ratio: number;
  readonly #throttle = new Throttle();

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#ratio = options.ratio;
  }

  /** Decides by the ratio before anything is allocated, because a line costs more than the whole rest of a call. */
  end(call: ObservedCall, code: Code | undefined): void {
    if (Math.random() < this.#ratio) this.#write(call, code, 0);
    else if (code !== undefined && isServerError(code)) this.#writeError(call, code);
  }

  #writeError(call: ObservedCall, code: Code): void {
    const kind = `${rpcMethod(call.method)} ${rpcStatusCode("grpc", code)}`; // a handler may throw any number as code
    const leftOut = this.#throttle.pass(kind, performance.now());
    if (leftOut !== undefined) this.#write(call, code, leftOut);
  }

  #write(call: ObservedCall, code: Code | undefined, leftOut: number): void {
    if (isLeftOut(call.method)) return;
    const traceId = this.#options.traceIdOf?.(call) ?? parseTraceParent(call.header("traceparent"))?.traceId;
    const record = recordOf(call, code, traceId);
    this.#options.log(leftOut === 0 ? record : withLeftOut(record, leftOut));
  }
}

/** Returns the record of a call. Of the request, it has nothing but the path of an unknown procedure, quoted and cut. */
function recordOf(call: ObservedCall, code: Code | undefined, traceId: string | undefined): LogRecord {
  const { method, protocolName: protocol, peer, requestBytes, responseBytes } = call;
  const httpVersion = protocolVersion(call.httpVersion);
  const status = rpcStatusCode(rpcSystem(protocol), code);
  const durationMs = Math.round((performance.now() - call.startedAt) * 1_000) / 1_000;
  const target = method === undefined ? { path: quote(call.path) } : { procedure: `/${rpcMethod(method)}` };
  const from = peer.address === undefined ? "" : ` from ${peer.address}`;
  const trace = traceId === undefined ? "" : `, trace ${traceId}`;
  const message =
    `call ${target.procedure ?? target.path} by ${protocol} over HTTP/${httpVersion}${from}: ` +
    `${status} after ${durationMs.toFixed(3)} ms, ${requestBytes} bytes in, ${responseBytes} bytes out${trace}`;
  return {
    level: isServerError(code) ? "error" : "info",
    event: "call",
    message,
    ...target,
    protocol,
    httpVersion,
    ...(peer.address !== undefined && { peer: peer.address }),
    code: status,
    durationMs,
    requestBytes,
    responseBytes,
    ...(traceId !== undefined && { traceId }),
  };
}
