/** The routes as a server serves them: with health, reflection, CORS, the limits and the log, but without a port. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { withCaching } from "./http/caching.ts";
import { withCors } from "./http/cors.ts";
import type { Handler } from "./http/exchange.ts";
import type { Limits, OnLimit } from "./limits/limits.ts";
import { completeLimits } from "./limits/validation.ts";
import { logEntry } from "./log/entry.ts";
import { createThrottledLog, type ThrottledLog } from "./log/throttled-log.ts";
import { Dispatcher } from "./rpc/dispatcher.ts";
import type { Log, RoutesOptions } from "./server-options.ts";
import { HealthStatus } from "./services/health-status.ts";
import { registerOwnServices } from "./services/own-services.ts";

export class ServedRoutes {
  /** The services: first those of the routes, then health and reflection. */
  readonly services: readonly DescService[];
  /** The services of the routes. */
  readonly ofRoutes: readonly DescService[];
  /** The health of each service, and of the whole server under the name "". All are "serving" from the start. */
  readonly health = new HealthStatus();
  readonly limits: Limits;
  readonly log: Log;
  /** The log for events that clients can cause often. */
  readonly throttledLog: ThrottledLog;
  readonly onLimit: OnLimit;
  /** Responds to calls of any of the protocols, and to requests that are not calls with 404. */
  readonly handle: Handler;
  readonly #options: RoutesOptions;
  /** Ends the Watch streams of the health service. */
  readonly #watchEnd = new AbortController();
  /** Tells handlers to stop, and ends streams. */
  readonly #shutdown = new AbortController();
  /** Ends every call. */
  readonly #cutoff = new AbortController();
  /** The services that the server adds to those of the routes. */
  readonly #ownServices = new Set<DescService>();

  /** Calls `options.routes` once. Throws what `createServer` throws. */
  constructor(options: RoutesOptions) {
    this.#options = options;
    this.limits = completeLimits(options.limits);
    const write = options.log ?? console.error;
    this.log = (entry) => write(logEntry(entry));
    this.throttledLog = createThrottledLog(this.log);
    this.onLimit = (limit, event) => this.throttledLog(limit, `limit ${limit}: ${event}`);
    const dispatcher = this.#createDispatcher();
    this.services = dispatcher.services;
    this.ofRoutes = this.services.filter((service) => !this.#ownServices.has(service));
    this.handle = withCors(options.corsOrigins ?? [], withCaching(dispatcher.handle));
    for (const name of ["", ...this.services.map(({ typeName }) => typeName)]) this.health.set(name, "serving");
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

  #createDispatcher(): Dispatcher {
    const { interceptors = [], fastPath = true } = this.#options;
    const { limits } = this;
    const own = { ...this.#options, health: this.health, watchEnd: this.#watchEnd.signal };
    return new Dispatcher({
      routes: (router) => {
        this.#options.routes(router);
        for (const service of registerOwnServices(router, () => this.services, own)) this.#ownServices.add(service);
      },
      defaults: { ...this.#options, interceptors: [...interceptors] },
      messageBytes: limits.messageBytes,
      callsInFlight: limits.callsInFlight,
      compression: limits,
      isExempt: (service) => this.#ownServices.has(service),
      deadlineMs: limits.deadlineMs,
      fastPath,
      log: this.throttledLog,
      onLimit: this.onLimit,
      shutdownSignal: this.#shutdown.signal,
      cutSignal: this.#cutoff.signal,
    });
  }
}

function unavailable(message: string): ConnectError {
  return new ConnectError(message, Code.Unavailable);
}
