/** Observations: each tells the observer the begin and the end of one call, exactly once. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  type Exchange,
  fieldValue,
  type Peer,
  pathWithoutQuery,
  type RequestHead,
  requestField,
} from "../http/exchange.ts";
import { errorText } from "../log/entry.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import type { CallScope, ObservedCall, Observer } from "./observer.ts";

/** Begins observations. Errors of the observer are logged. */
export class Observations {
  readonly #begin: Observer["begin"];
  readonly #end: Observer["end"];
  readonly #log: ThrottledLog;

  constructor(observer: Observer, log: ThrottledLog) {
    this.#begin = observer.begin?.bind(observer);
    this.#end = observer.end.bind(observer);
    this.#log = log;
  }

  /**
   * Begins the observation of a call, as soon as its handler was called. Sets `onCancelled` of the exchange to the
   * observation: a later listener must end the observation, too.
   */
  begin(exchange: Exchange, method: DescMethod | undefined, protocolName: ObservedCall["protocolName"]): Observation {
    const observation = new Observation(this, exchange, method, protocolName);
    if (this.#begin !== undefined) this.#callBegin(observation, this.#begin);
    exchange.onCancelled = observation;
    return observation;
  }

  /** Calls `end` of the observer. */
  end(observation: Observation, code: Code | undefined): void {
    try {
      const result: unknown = this.#end(observation, code);
      if (result instanceof Promise) result.catch((error) => this.failed("end", error));
    } catch (error) {
      this.failed("end", error);
    }
  }

  /** Logs an error that a method of the observer threw. */
  failed(method: "begin" | "run" | "end", error: unknown): void {
    const message = `observe a call: ${method}: ${errorText(error)}`;
    this.#log(method, { level: "error", event: "observer_error", message, method });
  }

  #callBegin(observation: Observation, begin: NonNullable<Observer["begin"]>): void {
    try {
      const scope: unknown = begin(observation);
      if (scope instanceof Promise) scope.catch((error) => this.failed("begin", error));
      else observation.scope = scope as CallScope | undefined;
    } catch (error) {
      this.failed("begin", error);
    }
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
  readonly #observations: Observations;
  readonly #exchange: Exchange;
  #hasEnded = false;

  constructor(
    observations: Observations,
    exchange: Exchange,
    method: DescMethod | undefined,
    protocolName: ObservedCall["protocolName"],
  ) {
    this.#observations = observations;
    this.#exchange = exchange;
    this.method = method;
    this.protocolName = protocolName;
    this.startedAt = exchange.exactStartedAt;
    this.peer = exchange.peer;
    void this.peer.address; // which is lost when the client disconnects, unless something has read it
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

  /** Calls `run` in the scope, and returns or throws what `run` does, even if the scope throws or does not call `run`. */
  run<T>(run: () => T): T {
    const { scope } = this;
    if (scope === undefined) return run();
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    try {
      scope.run(() => {
        outcome ??= settle(run);
      });
    } catch (error) {
      this.#observations.failed("run", error);
    }
    outcome ??= settle(run);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  onCancelled(): void {
    this.end(Code.Canceled);
  }

  /** Ends the observation. Only the first call has an effect. */
  end(code: Code | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#observations.end(this, code);
  }
}

function settle<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
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
