/** Observations: each tells the observer the begin and the end of one call, exactly once. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-connect";
import {
  type Exchange,
  fieldValue,
  type Peer,
  pathWithoutQuery,
  type RequestHead,
  requestField,
} from "../http/exchange.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import { GuardedObserver } from "./guarded-observer.ts";
import type { CallScope, ObservedCall, Observer } from "./observer.ts";

/** Begins observations. Errors of the observer are logged. */
export class Observations {
  readonly #observer: GuardedObserver;

  constructor(observer: Observer, log: ThrottledLog) {
    this.#observer = new GuardedObserver(observer, log);
  }

  /**
   * Begins the observation of a call, as soon as its handler was called. Sets `onCancelled` of the exchange to the
   * observation: a later listener must end the observation, too.
   */
  begin(exchange: Exchange, method: DescMethod | undefined, protocolName: ObservedCall["protocolName"]): Observation {
    const observation = new Observation(this.#observer, exchange, method, protocolName);
    observation.scope = this.#observer.begin(observation);
    exchange.onCancelled = observation;
    return observation;
  }
}

/** One call that is observed. */
export class Observation implements ObservedCall {
  readonly method: DescMethod | undefined;
  readonly protocolName: ObservedCall["protocolName"];
  readonly peer: Peer;
  readonly startedAt: number;
  requestBytes = 0;
  responseBytes = 0;
  /** The scope of the gate, the interceptors and the handler. */
  scope: CallScope | undefined;
  readonly #observer: GuardedObserver;
  readonly #exchange: Exchange;
  #hasEnded = false;

  constructor(
    observer: GuardedObserver,
    exchange: Exchange,
    method: DescMethod | undefined,
    protocolName: ObservedCall["protocolName"],
  ) {
    this.#observer = observer;
    this.#exchange = exchange;
    this.method = method;
    this.protocolName = protocolName;
    this.startedAt = exchange.exactStartedAt;
    this.peer = exchange.peer;
    void (this.peer.connection ?? this.peer).address; // which is lost when the client disconnects, unless something has read it
  }

  get httpVersion() {
    return this.#exchange.request.httpVersion;
  }
  get path(): string {
    const { sentPath, path } = this.#exchange.request;
    return pathWithoutQuery(sentPath ?? path);
  }
  header(name: string): string | undefined {
    return requestField(this.#exchange.request, name);
  }

  /** Calls `run` in the scope, and returns or throws what `run` does. */
  run<T>(run: () => T): T {
    return this.scope === undefined ? run() : this.#observer.run(this.scope, run);
  }

  /** Ends the observation of a call that was cancelled. `status` is that of `CancelListener`. */
  onCancelled(status?: number): void {
    this.end(status === undefined ? Code.Canceled : codeFromHttpStatus(status));
  }

  /** Ends the observation. Only the first call has an effect. */
  end(code: Code | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#observer.end(this, code);
  }
}

/** Matches the content types of the three protocols. The first group is the name of gRPC or gRPC-Web. */
const CONTENT_TYPE = /^application\/(?:(grpc-web|grpc)(?:-text)?|connect\+\w+|proto|json)(?:[+;]|$)/i;

/** Returns the protocol of a request by its content type, or "connect" by default. */
export function protocolOf({ fields }: RequestHead): ObservedCall["protocolName"] {
  const [, grpc] = CONTENT_TYPE.exec(fieldValue(fields, "content-type") ?? "") ?? [];
  return grpc === undefined ? "connect" : (grpc.toLowerCase() as "grpc" | "grpc-web");
}

/**
 * True if a request is a call. For the path of a procedure, every request is a call but OPTIONS. For another path, a
 * request is a call if it is a POST with the content type of a protocol.
 */
export function isCall({ method, fields }: RequestHead, isProcedure: boolean): boolean {
  if (isProcedure) return method !== "OPTIONS";
  return method === "POST" && CONTENT_TYPE.test(fieldValue(fields, "content-type") ?? "");
}
