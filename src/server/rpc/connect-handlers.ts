/** Runs the calls that do not take the fast path, with Connect's universal handlers. */
import type { DescService } from "@bufbuild/protobuf";
import { type Exchange, pathWithoutQuery } from "../http/exchange.ts";
import { checkMethod } from "../http/responses.ts";
import { errorText } from "../log/entry.ts";
import type { Compressions } from "./compression.ts";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { Deadlines } from "./deadlines.ts";
import type { FastPathCall } from "./fast-path/call.ts";
import type { Fallback } from "./fast-path/options.ts";
import { isCall, type Observation, type Observations, protocolOf } from "./observation.ts";
import { ObservedExchange } from "./observed-exchange.ts";
import type { RpcOptions } from "./options.ts";
import type { Procedure } from "./registrations.ts";
import { bodyInPieces, bufferedBody, knownBody } from "./request-body.ts";
import { respondUnknown } from "./unimplemented.ts";
import { UniversalCall, type UniversalCallOptions } from "./universal-call.ts";

export interface ConnectHandlersOptions
  extends Pick<RpcOptions, "pathPrefixOf" | "deadlineMs" | "log" | "cutSignal" | "connectionCuts"> {
  /** The procedures by path. */
  readonly procedures: ReadonlyMap<string, Procedure>;
  readonly services: readonly DescService[];
  readonly compressions: Compressions;
  readonly concurrencyLimit: ConcurrencyLimit;
  /** Observes the calls. Undefined if nothing does. */
  readonly observations: Observations | undefined;
}

export class ConnectHandlers implements Fallback {
  readonly #options: ConnectHandlersOptions;
  readonly #deadlines: Deadlines<UniversalCall>;

  constructor(options: ConnectHandlersOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options, (call, error) => call.end(error));
  }

  /** Responds to a request with any path and method. */
  handle(unobserved: Exchange, passed?: FastPathCall, begun?: Observation): void {
    const procedure = this.#options.procedures.get(pathWithoutQuery(unobserved.request.path));
    const observation = begun ?? this.#beginObservation(unobserved, procedure);
    const exchange = observed(unobserved, observation);
    if (procedure === undefined) {
      respondUnknown(exchange, this.#options.services, this.#options.pathPrefixOf);
      return;
    }
    const { allowedMethods, method: desc } = procedure.handler;
    if (!checkMethod(exchange, allowedMethods)) return;
    // A unary body is buffered, because Connect's handlers read a body of many pieces slowly.
    this.#run(exchange, procedure, desc.methodKind === "unary" ? bufferedBody : bodyInPieces, passed, observation);
  }

  handleBuffered(exchange: Exchange, body: Uint8Array, passed?: FastPathCall, observation?: Observation): void {
    this.#run(observed(exchange, observation), this.#procedureOf(exchange), knownBody(body), passed, observation);
  }

  handleLarge(exchange: Exchange, passed?: FastPathCall, observation?: Observation): void {
    this.#run(observed(exchange, observation), this.#procedureOf(exchange), bodyInPieces, passed, observation);
  }

  onResponseFailed(exchange: Exchange, error: unknown): void {
    const { requestPath: path } = this.#procedureOf(exchange).handler;
    const message = `respond to ${path}: ${errorText(error)}`;
    this.#options.log(path, { level: "error", event: "response_error", message, path });
    exchange.reset("internal");
  }

  #beginObservation(exchange: Exchange, procedure: Procedure | undefined): Observation | undefined {
    const { observations } = this.#options;
    const { request } = exchange;
    if (observations === undefined || !isCall(request, procedure !== undefined)) return undefined;
    return observations.begin(exchange, procedure?.handler.method, protocolOf(request));
  }

  #run(
    exchange: Exchange,
    procedure: Procedure,
    body: UniversalCallOptions["body"],
    passed: FastPathCall | undefined,
    observation: Observation | undefined,
  ): void {
    if (observation === undefined) void this.#respond(exchange, procedure, body, passed);
    else void observation.run(() => this.#respond(exchange, procedure, body, passed));
  }

  async #respond(
    exchange: Exchange,
    procedure: Procedure,
    body: UniversalCallOptions["body"],
    passed: FastPathCall | undefined,
  ): Promise<void> {
    const { compressions, concurrencyLimit, deadlineMs } = this.#options;
    const isUnary = procedure.handler.method.methodKind === "unary";
    const maxMs = isUnary ? deadlineMs : Number.POSITIVE_INFINITY;
    const call = new UniversalCall(exchange, procedure, { maxMs, body, passed });
    this.#deadlines.add(call);
    try {
      await compressions.run(call.memory, () => call.respond());
    } catch (error) {
      this.onResponseFailed(exchange, error);
      call.end(error);
    } finally {
      this.#deadlines.remove(call);
      call.memory.onResponseSent();
      concurrencyLimit.onCallEnded(call.values);
    }
  }

  #procedureOf({ request }: Exchange): Procedure {
    return this.#options.procedures.get(pathWithoutQuery(request.path)) as Procedure;
  }
}

function observed(exchange: Exchange, observation: Observation | undefined): Exchange {
  return observation === undefined ? exchange : new ObservedExchange(exchange, observation);
}
