/** The routes as a server serves them: with health, reflection, CORS, the limits and the log, but without a port. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { withCaching } from "./http/caching.ts";
import { withCors } from "./http/cors.ts";
import { type Handler, type Peer, pathWithoutQuery } from "./http/exchange.ts";
import type { LimitName, Limits, OnLimit } from "./limits/limits.ts";
import { completeLimits } from "./limits/validation.ts";
import { createApplicationLog } from "./log/application-log.ts";
import type { Log } from "./log/record.ts";
import { createThrottledLog, type ThrottledLog } from "./log/throttled-log.ts";
import { CallValues } from "./rpc/context-values.ts";
import { ConnectionCuts } from "./rpc/deadlines.ts";
import { Dispatcher } from "./rpc/dispatcher.ts";
import type { ContextValuesOf } from "./rpc/options.ts";
import type { RoutesOptions } from "./server-options.ts";
import { HealthStatus } from "./services/health-status.ts";
import { type OwnServices, registerOwnServices } from "./services/own-services.ts";
import { EventCounts } from "./stats.ts";

export class ServedRoutes {
  /** The services: first those of the routes, then health and reflection. */
  readonly services: readonly DescService[];
  /** The services of the routes. */
  readonly ofRoutes: readonly DescService[];
  /**
   * The health of each service, and of the whole server under the name "". All are "serving" from the start, unless the
   * status of the options has a value for them already.
   */
  readonly health: HealthStatus;
  readonly limits: Limits;
  readonly log: Log;
  /** The log for events that clients can cause often. */
  readonly throttledLog: ThrottledLog;
  readonly onLimit: OnLimit;
  /** The number of times that each limit was reached. */
  readonly limitHits = new EventCounts<LimitName>();
  /** Responds to calls of any of the protocols, and to requests that are not calls with 404. */
  readonly handle: Handler;
  readonly #options: RoutesOptions;
  readonly #dispatcher: Dispatcher;
  readonly #contextValues: ContextValuesOf | undefined;
  /** Ends the Watch streams of the health service. */
  readonly #watchEnd = new AbortController();
  /** Tells handlers to stop, and ends streams. */
  readonly #shutdown = new AbortController();
  /** Ends every call. */
  readonly #cutoff = new AbortController();
  readonly #connectionCuts = new ConnectionCuts();
  /** The services that the server adds to those of the routes. */
  #own: OwnServices = { all: [], health: undefined };

  /**
   * Calls `options.routes` once. `contextValues` makes the context values of each call; if undefined, they only have the
   * peer. Throws what `createServer` throws.
   */
  constructor(options: RoutesOptions, contextValues?: ContextValuesOf) {
    this.#options = options;
    this.#contextValues = contextValues && ((exchange) => new CallValues(contextValues(exchange), exchange));
    this.health = typeof options.health === "object" ? options.health : new HealthStatus();
    const { limits, readMaxBytes } = options;
    this.limits = completeLimits(readMaxBytes === undefined ? limits : { ...limits, messageBytes: readMaxBytes });
    this.log = createApplicationLog(options.log);
    this.throttledLog = createThrottledLog(this.log);
    this.onLimit = (limit, text) => {
      this.limitHits.add(limit);
      this.#logLimit(limit, text);
    };
    const dispatcher = this.#createDispatcher();
    this.#dispatcher = dispatcher;
    this.services = dispatcher.services;
    this.ofRoutes = this.services.filter((service) => !this.#own.all.includes(service));
    this.handle = withCors(options.corsOrigins ?? [], withCaching(dispatcher.handle));
    for (const name of ["", ...this.services.map(({ typeName }) => typeName)])
      if (this.health.get(name) === "unknown") this.health.set(name, "serving");
  }

  /** The paths of the procedures. */
  get paths(): Iterable<string> {
    return this.#dispatcher.procedures.keys();
  }

  /** Number of running handlers and streams, without those of health and reflection. */
  get callsInFlight(): number {
    return this.#dispatcher.callsInFlight;
  }

  /** True if a procedure is served at a path, which may have a query. */
  isProcedure(path: string): boolean {
    return this.#dispatcher.procedures.has(pathWithoutQuery(path));
  }

  /** Ends the Watch streams of the health service. Part of step 2 of a shutdown (shutdown.ts). */
  endWatches(): void {
    this.#watchEnd.abort(unavailable("the server is shutting down"));
  }

  /** Tells handlers to stop, and ends streams. Step 3 of a shutdown. */
  abort(): void {
    this.#shutdown.abort(unavailable("the server is shutting down"));
  }

  /** Responds to the calls in flight with an error. Part of step 4 of a shutdown. */
  cut(): void {
    this.#cutoff.abort(unavailable("the server has shut down"));
  }

  /** Implements `HttpContext.endExchanges`. */
  readonly endExchanges = (peer: Peer): void => this.#connectionCuts.cut(peer);

  #logLimit(limit: LimitName, text: string): void {
    const value = this.limits[limit];
    this.throttledLog(limit, { level: "warn", event: "limit", message: `limit ${limit}: ${text}`, limit, value });
  }

  #registerOwnServices(router: ConnectRouter): OwnServices {
    const { health = true, reflection = true } = this.#options;
    return registerOwnServices(router, () => this.services, {
      ...this.#options,
      health: health === false ? undefined : this.health,
      reflection,
      watchEnd: this.#watchEnd.signal,
    });
  }

  #createDispatcher(): Dispatcher {
    const { interceptors = [], fastPath = true, requestPathPrefix = "", interceptHealth = false } = this.#options;
    const { limits } = this;
    const isOwn = (service: DescService): boolean => this.#own.all.includes(service);
    return new Dispatcher({
      routes: (router) => {
        throwIfPromise(this.#options.routes(router));
        this.#own = this.#registerOwnServices(router);
      },
      defaults: { ...this.#options, interceptors: [...interceptors] },
      messageBytes: limits.messageBytes,
      callsInFlight: limits.callsInFlight,
      compression: limits,
      isExempt: isOwn,
      pathPrefixOf: (service) => (isOwn(service) ? "" : requestPathPrefix),
      contextValuesOf: (service) =>
        service === this.#own.health && !interceptHealth ? undefined : this.#contextValues,
      deadlineMs: limits.deadlineMs,
      fastPath,
      observer: this.#options.observer,
      log: this.throttledLog,
      onLimit: this.onLimit,
      shutdownSignal: this.#shutdown.signal,
      cutSignal: this.#cutoff.signal,
      connectionCuts: this.#connectionCuts,
    });
  }
}

/** Throws TypeError if the result of `routes` is a promise: services that are registered later would not be served. */
function throwIfPromise(result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => {}); // the error below is the one to report
  throw new TypeError("routes: must register the services before it returns, and must not return a promise");
}

function unavailable(message: string): ConnectError {
  return new ConnectError(message, Code.Unavailable);
}
