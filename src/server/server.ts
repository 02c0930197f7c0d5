/** The server of any Connect routes: gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2, on one port. */
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import { createFallback } from "./fallback/fallback.ts";
import type { Handler } from "./http/exchange.ts";
import { Budget } from "./limits/budget.ts";
import { QueuedResponses } from "./limits/queued-responses.ts";
import { connectionPeer } from "./listener/forwarded-peer.ts";
import {
  type BoundAddress,
  isLocal,
  type ListenAddress,
  type NodeListenOptions,
  nameOf,
  nodeListenOptions,
} from "./listener/listen-address.ts";
import { certificateEndsAt, type TlsCredentials, validateCredentials } from "./listener/tls-credentials.ts";
import { TrustedProxies } from "./listener/trusted-proxies.ts";
import { quote } from "./log/quote.ts";
import type { LogRecord } from "./log/record.ts";
import { readOptions, SERVER_RULES } from "./option-validation.ts";
import { Port } from "./port.ts";
import { RequestRouter } from "./request-router.ts";
import { CallRequest } from "./rpc/context-values.ts";
import { isGrpc } from "./rpc/unimplemented.ts";
import { ServedRoutes } from "./served-routes.ts";
import type { ServerOptions } from "./server-options.ts";
import type { HealthStatus } from "./services/health-status.ts";
import { createHealthz } from "./services/healthz.ts";
import { type PartialShutdownTimes, shutDown, shutdownTimes } from "./shutdown.ts";
import { createHome } from "./site/home.ts";
import { withSchema } from "./site/schema.ts";
import { EventCounts, type Refusal, type ServerStats } from "./stats.ts";

export type { ServerOptions } from "./server-options.ts";

/** A server of Connect routes, as `createServer` returns it. */
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
   * Listens on a TCP port, a Unix domain socket or an inherited socket. Each further call listens on one more address, and
   * limits on connections count over all of them together. Resolves with the bound address: port 0 picks a free port, and a
   * path is returned unchanged. Rejects with TypeError if the address is invalid, with Node's error if the server cannot
   * listen there, and with Error if `close` was called before. If it rejects, the server still listens on its other
   * addresses.
   */
  listen(address: { readonly port: number; readonly host?: string }): Promise<AddressInfo>;
  listen(address: { readonly path: string }): Promise<string>;
  listen(address: ListenAddress): Promise<BoundAddress>;
  /**
   * Serves a connection that the caller has accepted: a socket of another server or process, or any Duplex stream of bytes.
   * May be called before `listen`, and without it. From now on the server owns the connection: limits apply to it, and
   * `close` closes it. If the server has TLS, makes the handshake, except on a TLSSocket, whose handshake must be complete.
   * A server with `clientCa` closes a TLSSocket that is not `authorized`. After `close` has stopped listening, or if a limit
   * on connections is reached, destroys `connection` without an error. Throws TypeError if `connection` is not a Duplex
   * stream, is in object mode or has an encoding.
   */
  accept(connection: Duplex): void;
  /**
   * Uses `credentials` for new connections; open connections keep their old credentials. Throws Error if the server was
   * created without TLS, or if `clientCa` is added or removed. Throws TypeError for an unknown field and for text that is not
   * PEM, and Node's error if the credentials are otherwise invalid. If it throws, new connections still get the old ones.
   */
  renewTls(credentials: TlsCredentials): void;
  /** Returns the figures of the server at this moment, for metrics. The object is new and belongs to the caller. */
  stats(): ServerStats;
  /**
   * Shuts the server down in steps (shutdown.ts), so that calls in flight can finish. `times` are in ms. Defaults:
   * `delayMs` 5,000 (0 if every listener is on loopback or a Unix domain socket), `idleMs` 1,000, `graceMs` 10,000,
   * `abortMs` 1,000. Resolves when all connections are closed, with the number of calls that were cut because `graceMs` was
   * over. Further calls ignore their `times` and return the same promise. May be called without `listen`.
   */
  close(times?: PartialShutdownTimes): Promise<number>;
  /** Calls `close` with the default times: `await using server = createServer(...)` (Node 24 or later). */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a server that does not listen yet. Reads `options` once, so that later changes of them have no effect. Throws
 * TypeError if an option is unknown or invalid, and RangeError if the number of a limit is not allowed. Throws Error if the
 * routes register a procedure twice, and Node's error if the key is invalid or does not belong to the certificate.
 */
export function createServer(options: ServerOptions): Server {
  const server = new ConnectServer(options);
  return {
    services: server.services,
    health: server.health,
    // The methods are bound, so that callers can destructure the server.
    listen: server.listen.bind(server),
    accept: server.accept.bind(server),
    renewTls: server.renewTls.bind(server),
    stats: server.stats.bind(server),
    close: server.close.bind(server),
    [Symbol.asyncDispose]: server[Symbol.asyncDispose].bind(server),
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
  /** The calls of `listen` that have not settled. */
  readonly #opening = new Set<Promise<BoundAddress>>();
  readonly #refusals = new EventCounts<Refusal>();
  #closing: Promise<number> | undefined;

  /** Assembles the server from the inside out: RPC handlers, routing by path, port. */
  constructor(given: ServerOptions) {
    const options = readOptions("createServer", given, SERVER_RULES);
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
    const opening = this.#openPort(options);
    this.#opening.add(opening);
    const settled = (): boolean => this.#opening.delete(opening);
    opening.then(settled, settled);
    return opening as Promise<never>; // `Server.listen` declares the type for each address
  }

  accept(connection: Duplex): void {
    this.#port.accept(connection);
  }

  renewTls(credentials: TlsCredentials): void {
    validateCredentials("renew TLS credentials", credentials);
    this.#port.renewTls(credentials);
  }

  stats(): ServerStats {
    const { credentials, connections } = this.#port;
    const { callsInFlight, limitHits } = this.#routes;
    return {
      connections,
      callsInFlight,
      limitHits: limitHits.read(),
      refusals: this.#refusals.read(),
      isDraining: this.#closing !== undefined,
      certificateEndsAt: credentials && certificateEndsAt(credentials),
    };
  }

  close(times: PartialShutdownTimes = {}): Promise<number> {
    this.#closing ??= this.#shutDown(times);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #createRouter(): RequestRouter {
    const { homePage = false, page, health = true, fallback, corsOrigins = [], allowedHosts } = this.#options;
    const { handle, ofRoutes, throttledLog } = this.#routes;
    return new RequestRouter({
      home: homePage || page !== undefined ? this.#createHome() : undefined,
      pageFiles: page && withSchema(page.files, ofRoutes),
      healthz: health === false ? undefined : createHealthz(this.health),
      calls: handle,
      fallback: fallback && createFallback(fallback, this.#routes),
      isCall: (exchange) => this.#routes.isProcedure(exchange.request.path) || isGrpc(exchange),
      allowedHosts,
      corsOrigins,
      onRefusedHost: (host) => {
        this.#refusals.add("host");
        throttledLog("host", refusedHost(host));
      },
    });
  }

  #createHome(): Handler {
    const { page, reflection, requestPathPrefix: pathPrefix } = this.#options;
    const needsSchema = reflection === false;
    return createHome(this.services, () => this.#port.credentials, { page, needsSchema, pathPrefix });
  }

  #createPort(): Port {
    const { tls, http2 = "built-in" } = this.#options;
    const { limits, onLimit, log, throttledLog, endExchanges } = this.#routes;
    const trustedProxies = TrustedProxies.of(this.#options.trustedProxies);
    return new Port({
      handler: this.#router.handle,
      limits,
      buffered: new Budget(limits.bufferedBytes),
      queued: new QueuedResponses(limits, onLimit),
      onLimit,
      peerOf: trustedProxies && ((socket) => connectionPeer(socket, trustedProxies)),
      endExchanges,
      trustedProxies,
      http2,
      tls,
      log,
      throttledLog,
      onRefused: (reason) => this.#refusals.add(reason),
    });
  }

  async #openPort(address: NodeListenOptions): Promise<BoundAddress> {
    const bound = await this.#port.open(address);
    if (this.#options.allowedHosts === undefined)
      this.#router.allowHosts(this.#port.isLoopbackOnly ? "loopback" : "all");
    if (typeof bound !== "string" && !isLocal(bound) && this.#options.tls === undefined) {
      const place = `${bound.address} port ${bound.port}`;
      const message = `listen on ${place}: without TLS, so anyone on the network path can read every call`;
      this.#routes.log({ level: "warn", event: "without_tls", message, address: bound.address, port: bound.port });
    }
    return bound;
  }

  async #shutDown(times: PartialShutdownTimes): Promise<number> {
    await Promise.allSettled(this.#opening); // `listen` reports errors to its own callers
    const steps = {
      announce: () => this.#announce(),
      stopAccepting: (idleMs: number) => this.#stopAccepting(idleMs),
      abort: () => this.#routes.abort(),
      cut: () => this.#cut(),
    };
    return shutDown(steps, shutdownTimes(times, this.#port.isLocal));
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

function refusedHost(host: string): LogRecord {
  const quoted = quote(host);
  const message = `refuse a browser that names host ${quoted}: not allowed`;
  return { level: "warn", event: "host_refused", message, host: quoted };
}
