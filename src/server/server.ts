/** The server of any Connect routes: gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2, on one port. */
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import type { Handler } from "./http/exchange.ts";
import { Budget } from "./limits/budget.ts";
import { QueuedResponses } from "./limits/queued-responses.ts";
import {
  type BoundAddress,
  isLocal,
  type ListenAddress,
  type NodeListenOptions,
  nameOf,
  nodeListenOptions,
} from "./listener/listen-address.ts";
import type { TlsCredentials } from "./listener/tls-credentials.ts";
import { quote } from "./log/quote.ts";
import { SERVER_RULES, validateOptions } from "./option-validation.ts";
import { Port } from "./port.ts";
import { RequestRouter } from "./request-router.ts";
import { CallRequest } from "./rpc/context-values.ts";
import { ServedRoutes } from "./served-routes.ts";
import type { ServerOptions } from "./server-options.ts";
import type { HealthStatus } from "./services/health-status.ts";
import { createHealthz } from "./services/healthz.ts";
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
  readonly health: HealthStatus;
  readonly #options: ServerOptions;
  readonly #routes: ServedRoutes;
  readonly #router: RequestRouter;
  readonly #port: Port;
  #listening: Promise<BoundAddress> | undefined;
  #closing: Promise<number> | undefined;

  /** Assembles the server from the inside out: RPC handlers, routing by path, port. */
  constructor(options: ServerOptions) {
    validateOptions("createServer", options, SERVER_RULES);
    this.#options = options;
    const { contextValues } = options;
    this.#routes = new ServedRoutes(options, contextValues && ((exchange) => contextValues(new CallRequest(exchange))));
    this.services = this.#routes.services;
    this.health = this.#routes.health;
    this.#router = this.#createRouter();
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

  #createRouter(): RequestRouter {
    const { homePage = false, page, health = true, corsOrigins = [], allowedHosts } = this.#options;
    const { handle, ofRoutes, throttledLog } = this.#routes;
    return new RequestRouter({
      home: homePage || page !== undefined ? this.#createHome() : undefined,
      pageFiles: page && withSchema(page.files, ofRoutes),
      healthz: health === false ? undefined : createHealthz(this.health),
      calls: handle,
      allowedHosts,
      corsOrigins,
      onRefusedHost: (host) => throttledLog("host", `refuse a browser that names host ${quote(host)}: not allowed`),
    });
  }

  #createHome(): Handler {
    const { page, reflection, requestPathPrefix: pathPrefix } = this.#options;
    const needsSchema = reflection === false;
    return createHome(this.services, () => this.#port.credentials, { page, needsSchema, pathPrefix });
  }

  #createPort(): Port {
    const { tls, http2 = "built-in" } = this.#options;
    const { limits, onLimit, log, throttledLog } = this.#routes;
    return new Port({
      handler: this.#router.handle,
      limits,
      buffered: new Budget(limits.bufferedBytes),
      queued: new QueuedResponses(limits, onLimit),
      onLimit,
      http2,
      tls,
      log,
      throttledLog,
    });
  }

  async #openPort(address: NodeListenOptions): Promise<BoundAddress> {
    const bound = await this.#port.open(address);
    if (typeof bound === "string") return bound;
    if (isLocal(bound)) {
      if (this.#options.allowedHosts === undefined) this.#router.allowLoopbackOnly();
    } else if (this.#options.tls === undefined) {
      const place = `${bound.address} port ${bound.port}`;
      this.#routes.log(`listen on ${place}: without TLS, so anyone on the network path can read every call`);
    }
    return bound;
  }

  async #shutDown(times: PartialShutdownTimes): Promise<number> {
    const bound = await this.#listening?.catch(() => undefined); // `listen` has reported the error to its own caller
    const steps = {
      announce: () => this.#announce(),
      stopAccepting: (idleMs: number) => this.#stopAccepting(idleMs),
      abort: () => this.#routes.abort(),
      cut: () => this.#cut(),
    };
    return shutDown(steps, shutdownTimes(times, bound === undefined || isLocal(bound)));
  }

  #announce(): void {
    this.health.shutDown();
    this.#port.sendConnectionClose();
  }

  #stopAccepting(idleMs: number): Promise<void> {
    this.#routes.endWatches();
    return this.#port.drain(idleMs);
  }

  async #cut(): Promise<number> {
    const calls = this.#port.requestsInFlight;
    this.#routes.cut();
    await sleep(ERROR_RESPONSES_MS);
    this.#port.destroy();
    return calls;
  }
}
