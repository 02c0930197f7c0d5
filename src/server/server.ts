/** The server of any Connect routes: gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2, on one port. */
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { withCaching } from "./http/caching.ts";
import { withCors } from "./http/cors.ts";
import type { Handler } from "./http/exchange.ts";
import { Budget } from "./limits/budget.ts";
import type { Limits, OnLimit } from "./limits/limits.ts";
import { QueuedResponses } from "./limits/queued-responses.ts";
import { refuseRenamedOptions } from "./limits/renamed-options.ts";
import { completeLimits } from "./limits/validation.ts";
import {
  type BoundAddress,
  isLocal,
  type ListenAddress,
  type NodeListenOptions,
  nameOf,
  nodeListenOptions,
} from "./listener/listen-address.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import { logEntry } from "./log/entry.ts";
import { quote } from "./log/quote.ts";
import { createThrottledLog, type ThrottledLog } from "./log/throttled-log.ts";
import { Port } from "./port.ts";
import { RequestRouter } from "./request-router.ts";
import { Dispatcher } from "./rpc/dispatcher.ts";
import type { Log, ServerOptions } from "./server-options.ts";
import { HealthStatus } from "./services/health-status.ts";
import { createHealthz } from "./services/healthz.ts";
import { registerOwnServices } from "./services/own-services.ts";
import { type PartialShutdownTimes, shutDown, shutdownTimes } from "./shutdown.ts";
import { createHome } from "./site/home.ts";
import { withSchema } from "./site/schema.ts";

export type { ServerOptions } from "./server-options.ts";

export interface Server {
  /** The services that are served: first those of the routes, then health and reflection. */
  readonly services: readonly DescService[];
  /**
   * The health of each service, and of the whole server under the name "". All are "serving" from the start. Probes read
   * this status over grpc.health.v1.Health and GET /healthz. If the routes register their own grpc.health.v1.Health, only
   * /healthz serves this status.
   */
  readonly health: HealthStatus;
  /**
   * Listens on a TCP port, a Unix domain socket or an inherited socket. Resolves with the bound address: port 0 picks a
   * free port, and a path is returned unchanged. May be called once. Rejects with TypeError if the address is invalid,
   * with Node's error if the server cannot listen there, and with Error if `close` was called before.
   */
  listen(address: { readonly port: number; readonly host?: string }): Promise<AddressInfo>;
  listen(address: { readonly path: string }): Promise<string>;
  listen(address: ListenAddress): Promise<BoundAddress>;
  /**
   * Uses `credentials` for new connections; open connections keep their old credentials. Throws Error if the server was
   * created without TLS, or if `clientCa` is added or removed. Throws Node's error if the credentials are invalid. If it
   * throws, new connections still get the old credentials.
   */
  renewTls(credentials: TlsCredentials): void;
  /**
   * Shuts the server down in steps (shutdown.ts), so that calls in flight can finish. `times` are in ms. Defaults:
   * `delayMs` 5,000 (0 on loopback or a Unix domain socket), `idleMs` 1,000, `graceMs` 10,000, `abortMs` 1,000. Resolves
   * when all connections are closed, with the number of calls that were cut because `graceMs` was over. Further calls
   * ignore their `times` and return the same promise.
   */
  close(times?: PartialShutdownTimes): Promise<number>;
}

/**
 * Creates a server that does not listen yet. Throws TypeError or RangeError if a limit is unknown or its value is invalid,
 * and TypeError if an option has an old name or an allowed host is invalid. Throws Error if the routes register a procedure
 * twice, and Node's error if the TLS credentials are invalid.
 */
export function createServer(options: ServerOptions): Server {
  const server = new ConnectServer(options);
  return {
    services: server.services,
    health: server.health,
    // The methods are bound, so that callers can destructure the server.
    listen: server.listen.bind(server),
    renewTls: server.renewTls.bind(server),
    close: server.close.bind(server),
  };
}

/** Time to send the error responses of the calls that are cut, before their connections are destroyed. */
const ERROR_RESPONSES_MS = 50;

class ConnectServer implements Server {
  readonly services: readonly DescService[];
  readonly health = new HealthStatus();
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #throttledLog: ThrottledLog;
  readonly #onLimit: OnLimit;
  /** Aborted when the port closes. Ends the Watch streams of the health service. */
  readonly #watchEnd = new AbortController();
  /** Aborted shortly before the grace time is over. Tells handlers to stop, and ends streams. */
  readonly #shutdown = new AbortController();
  /** Aborted when the grace time is over. Ends every call. */
  readonly #cutoff = new AbortController();
  /** The services that the server adds to those of the routes. */
  readonly #ownServices = new Set<DescService>();
  readonly #router: RequestRouter;
  readonly #port: Port;
  #listening: Promise<BoundAddress> | undefined;
  #closing: Promise<number> | undefined;

  /** Assembles the server from the inside out: limits and log, RPC handlers, routing by path, port. */
  constructor(options: ServerOptions) {
    refuseRenamedOptions(options);
    this.#options = options;
    this.#limits = completeLimits(options.limits);
    const write = options.log ?? console.error;
    this.#log = (entry) => write(logEntry(entry));
    this.#throttledLog = createThrottledLog(this.#log);
    this.#onLimit = (limit, event) => this.#throttledLog(limit, `limit ${limit}: ${event}`);
    const dispatcher = this.#createDispatcher();
    this.services = dispatcher.services;
    for (const name of ["", ...this.services.map(({ typeName }) => typeName)]) this.health.set(name, "serving");
    this.#router = this.#createRouter(dispatcher.handle);
    this.#port = this.#createPort();
  }

  async listen(address: ListenAddress): Promise<never> {
    const options = nodeListenOptions(address);
    if (this.#closing !== undefined) throw new Error(`listen on ${nameOf(options)}: the server was closed`);
    this.#listening = this.#openPort(options);
    return this.#listening as Promise<never>; // `Server.listen` declares the type for each address
  }

  renewTls(credentials: TlsCredentials): void {
    this.#port.renewTls(credentials);
  }

  close(times: PartialShutdownTimes = {}): Promise<number> {
    this.#closing ??= this.#shutDown(times);
    return this.#closing;
  }

  #createDispatcher(): Dispatcher {
    const { interceptors = [], fastPath = true } = this.#options;
    const limits = this.#limits;
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
      log: this.#throttledLog,
      onLimit: this.#onLimit,
      shutdownSignal: this.#shutdown.signal,
      cutSignal: this.#cutoff.signal,
    });
  }

  #createRouter(rpc: Handler): RequestRouter {
    const { page, reflection = true, corsOrigins = [], allowedHosts } = this.#options;
    const ofRoutes = this.services.filter((service) => !this.#ownServices.has(service));
    return new RequestRouter({
      home: createHome(this.services, () => this.#port.credentials, { page, needsSchema: !reflection }),
      pageFiles: page && withSchema(page.files, ofRoutes),
      healthz: createHealthz(this.health),
      calls: withCors(corsOrigins, withCaching(rpc)),
      allowedHosts,
      corsOrigins,
      onRefusedHost: (host) =>
        this.#throttledLog("host", `refuse a browser that names host ${quote(host)}: not allowed`),
    });
  }

  #createPort(): Port {
    const { tls, http2 = "built-in" } = this.#options;
    return new Port({
      handler: this.#router.handle,
      limits: this.#limits,
      buffered: new Budget(this.#limits.bufferedBytes),
      queued: new QueuedResponses(this.#limits, this.#onLimit),
      onLimit: this.#onLimit,
      http2,
      tls,
      log: this.#log,
      throttledLog: this.#throttledLog,
    });
  }

  async #openPort(address: NodeListenOptions): Promise<BoundAddress> {
    const bound = await this.#port.open(address);
    if (typeof bound === "string") return bound;
    if (isLocal(bound)) {
      if (this.#options.allowedHosts === undefined) this.#router.allowLoopbackOnly();
    } else if (this.#options.tls === undefined) {
      const place = `${bound.address} port ${bound.port}`;
      this.#log(`listen on ${place}: without TLS, so anyone on the network path can read every call`);
    }
    return bound;
  }

  async #shutDown(times: PartialShutdownTimes): Promise<number> {
    const bound = await this.#listening?.catch(() => undefined); // `listen` has reported the error to its own caller
    const steps = {
      announce: () => this.#announce(),
      stopAccepting: (idleMs: number) => this.#stopAccepting(idleMs),
      abort: () => this.#abort(),
      cut: () => this.#cut(),
    };
    return shutDown(steps, shutdownTimes(times, bound === undefined || isLocal(bound)));
  }

  #announce(): void {
    this.health.shutDown();
    this.#port.sendConnectionClose();
  }

  #stopAccepting(idleMs: number): Promise<void> {
    this.#watchEnd.abort(unavailable("the server is shutting down"));
    return this.#port.drain(idleMs);
  }

  #abort(): void {
    this.#shutdown.abort(unavailable("the server is shutting down"));
  }

  async #cut(): Promise<number> {
    const calls = this.#port.requestsInFlight;
    this.#cutoff.abort(unavailable("the server has shut down"));
    await sleep(ERROR_RESPONSES_MS);
    this.#port.destroy();
    return calls;
  }
}

function unavailable(message: string): ConnectError {
  return new ConnectError(message, Code.Unavailable);
}
