/** Dispatches calls to the fast path and to Connect's handlers. */
import type { DescService } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Handler } from "../http/exchange.ts";
import { Budget } from "../limits/budget.ts";
import { Compressions } from "./compression.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { ConnectHandlers } from "./connect-handlers.ts";
import { ErrorMapper } from "./error-mapper.ts";
import { FastPath } from "./fast-path/fast-path.ts";
import { methodsOf } from "./fast-path/methods.ts";
import { Observations } from "./observation.ts";
import type { RequestGate, RpcOptions } from "./options.ts";
import { type Procedure, Registrations } from "./registrations.ts";
import { reserveMessages, UniversalCall } from "./universal-call.ts";

/** The maximum value of readMaxBytes in Connect's options. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;

export class Dispatcher {
  /** The registered services, in the order of their registration. */
  readonly services: readonly DescService[];
  /** The procedures by the paths at which they are served. */
  readonly procedures: ReadonlyMap<string, Procedure>;
  /** Handles a call of any of the protocols. Responds with unimplemented if the procedure is unknown. */
  readonly handle: Handler;
  readonly #options: RpcOptions;
  readonly #inFlight: Budget;
  readonly #errors: ErrorMapper;
  readonly #concurrencyLimit: ConcurrencyLimit;
  readonly #compressions: Compressions;

  /** Calls `options.routes` once. Throws the errors of `routes`, and an Error if a procedure is registered twice. */
  constructor(options: RpcOptions) {
    const { onLimit, isExempt, cutSignal } = options;
    this.#options = options;
    this.#inFlight = new Budget(options.callsInFlight);
    this.#errors = new ErrorMapper(options.log, onLimit, cutSignal);
    this.#concurrencyLimit = new ConcurrencyLimit(this.#inFlight, isExempt, onLimit);
    this.#compressions = new Compressions(options.compression, onLimit);
    const registrations = this.#createRegistrations();
    options.routes(registrations.router);
    this.services = [...new Set(registrations.router.handlers.map(({ service }) => service))];
    this.procedures = this.#served(registrations);
    this.handle = this.#createHandler();
  }

  /** Number of running handlers and streams, without those of exempt services. */
  get callsInFlight(): number {
    return this.#inFlight.used;
  }

  #createRegistrations(): Registrations {
    const { defaults, messageBytes, shutdownSignal } = this.#options;
    const errors = this.#errors;
    const limit = this.#concurrencyLimit;
    return new Registrations(
      {
        ...defaults,
        acceptCompression: defaults.acceptCompression ?? this.#compressions.accepted,
        readMaxBytes: Math.min(messageBytes, MAX_MESSAGE_BYTES),
      },
      {
        requestGate(context) {
          errors.requestGate(context);
          const { valuesError } = UniversalCall.of(context.values);
          if (valuesError !== undefined) throw errors.toConnectError(valuesError, context, undefined);
          throwIfEnded(context, shutdownSignal);
          limit.requestGate(context);
        },
        guardGate: (gate) => unlessPassed(errors.guardGate(limit.countGate(gate))),
        beforeBody: (context) => UniversalCall.of(context.values).onGatePassed(context),
        interceptors: [errors.interceptor, limit.interceptor, reserveMessages],
        guardCompression: (compression) => this.#compressions.guard(compression),
        shutdownSignal,
      },
    );
  }

  /** Returns the procedures by the paths at which they are served. */
  #served(registrations: Registrations): Map<string, Procedure> {
    const { pathPrefixOf, contextValuesOf } = this.#options;
    const served = new Map<string, Procedure>();
    for (const [path, procedure] of registrations.procedures) {
      const { service } = procedure.handler;
      served.set(`${pathPrefixOf(service)}${path}`, { ...procedure, contextValues: contextValuesOf(service) });
    }
    return served;
  }

  #createHandler(): Handler {
    const { procedures } = this;
    const { isExempt, deadlineMs, fastPath, observer, log, cutSignal, connectionCuts } = this.#options;
    const observations = observer && new Observations(observer, log);
    const connectHandlers = new ConnectHandlers({
      procedures,
      services: this.services,
      pathPrefixOf: this.#options.pathPrefixOf,
      compressions: this.#compressions,
      concurrencyLimit: this.#concurrencyLimit,
      deadlineMs,
      log,
      cutSignal,
      connectionCuts,
      observations,
    });
    if (!fastPath) return (exchange) => connectHandlers.handle(exchange);
    return new FastPath({
      methods: methodsOf(procedures),
      inFlight: this.#inFlight,
      isExempt,
      deadlineMs,
      cutSignal,
      connectionCuts,
      errors: this.#errors,
      fallback: connectHandlers,
      observations,
    }).handle;
  }
}

/**
 * Throws the abort reason if `signal` is aborted. Does not throw if only the shutdown signal of a registration has
 * aborted `signal`.
 */
function throwIfEnded({ signal, values }: HandlerContext, shutdownSignal: AbortSignal): void {
  if (!signal.aborted) return;
  const { options } = UniversalCall.of(values).procedure;
  if (shutdownSignal.aborted || signal.reason !== options.shutdownSignal.reason) throw signal.reason;
}

/**
 * Returns a gate that calls `gate` only if `gate` has not passed on the fast path yet. If `gate` has passed there, the
 * new gate copies the response headers and trailers that `gate` has set.
 */
function unlessPassed(gate: RequestGate): RequestGate {
  return (context) => {
    const { passed } = UniversalCall.of(context.values);
    if (passed === undefined) return gate(context);
    replace(context.responseHeader, passed.responseHeader);
    replace(context.responseTrailer, passed.responseTrailer);
  };
}

function replace(target: Headers, source: Headers): void {
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.append(name, value);
}
