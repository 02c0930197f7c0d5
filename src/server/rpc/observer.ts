/** The observer of calls, which an application passes to a server to count, log or trace them. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import type { Peer } from "../http/exchange.ts";

/** One call, as an observer sees it. The same object is passed to `begin` and `end`. */
export interface ObservedCall {
  /** The method. Undefined if no such procedure is served. */
  readonly method: DescMethod | undefined;
  /** The protocol that the request has chosen by its method and content type. */
  readonly protocolName: "connect" | "grpc" | "grpc-web";
  /** The HTTP version of the request. */
  readonly httpVersion: "1.1" | "2.0";
  /** The path that the client sent, without its query. */
  readonly path: string;
  /** The client, as its connection shows it. */
  readonly peer: Peer;
  /** Time at which the head of the request was received, in ms of `performance.now()`, exact to the microsecond. */
  readonly startedAt: number;
  /**
   * Bytes of the request's body that were read, without HTTP framing. The body of a unary call counts when it is complete.
   * The message in the query of a GET does not count.
   */
  readonly requestBytes: number;
  /**
   * Bytes of the response's body that were passed to the connection, without HTTP framing. A response with status 304 counts
   * with the body that it leaves out.
   */
  readonly responseBytes: number;
  /** Returns the value of a header field of the request. `name` is in lower case. Several values are joined by commas. */
  header(name: string): string | undefined;
}

/** Runs the gate, the interceptors and the handler of one call, to give them a context such as that of a trace. */
export interface CallScope {
  /** Calls `run` once, and returns what `run` returns. May be called several times for one call, for parts of it. */
  run<T>(run: () => T): T;
}

/**
 * Observes calls. A request is a call if its path is that of a procedure, unless its method is OPTIONS. For another path, it is
 * a call if it is a POST with the content type of a protocol, and no `fallback` serves it. A request that is
 * refused before its path is read is not a call, for example because of its host or of a limit of HTTP.
 *
 * An error that a method throws is logged, and does not change the call. The methods run for each call,
 * so they must be fast.
 */
export interface Observer {
  /**
   * Called once for each call, when the head of its request was received, before the gate, the interceptors and the handler.
   * If a scope is returned, the gate, the interceptors and the handler run in this scope.
   */
  begin?(call: ObservedCall): CallScope | undefined;
  /**
   * Called once for each call, also if it is refused or cancelled: when the response was passed to the connection, or the
   * client has left. `code` is the status of the call, or undefined if it has succeeded. A response without such a
   * status, such as 405 or 503, has the code that clients of Connect make of its HTTP status. A stream that is reset because
   * memory is used up has the code of 503, `Code.Unavailable`. A call ends with `Code.Canceled` if the client has cancelled it,
   * or if the server has closed its stream or connection for another reason.
   */
  end(call: ObservedCall, code: Code | undefined): void;
}
