/** The server of any Connect routes: every protocol, over HTTP/1.1 and HTTP/2, on one port. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouterOptions, type Interceptor } from "@connectrpc/connect";
import { withCaching } from "./http/caching.ts";
import { withCors } from "./http/cors.ts";
import type { Exchange } from "./http/exchange.ts";
import { HostCheck } from "./http/host-check.ts";
import type { Http2Server } from "./http/http2-server.ts";
import { respondOptions } from "./http/responses.ts";
import { createHttp2 } from "./http2/server.ts";
import { Budget } from "./limits/budget.ts";
import type { Limits, OnLimit } from "./limits/limits.ts";
import { QueuedResponses } from "./limits/queued-responses.ts";
import { refuseRenamedOptions } from "./limits/renames.ts";
import { completeLimits } from "./limits/values.ts";
import { limitConnectionsPerAddress } from "./listener/connections-per-address.ts";
import { watchFileDescriptors } from "./listener/file-descriptors.ts";
import {
  type BoundAddress,
  isLocal,
  type ListenAddress,
  type NodeListenOptions,
  nameOf,
  nodeListenOptions,
} from "./listener/listen-address.ts";
import type { DetectionOptions } from "./listener/pending-connections.ts";
import { detectByPreface } from "./listener/plain.ts";
import { detectByAlpn, httpsOptions } from "./listener/tls.ts";
import { secureContextOptions, type TlsCredentials } from "./listener/tls-credentials.ts";
import { errorText, logEntry } from "./log/entry.ts";
import { quote } from "./log/quote.ts";
import { createThrottledLog } from "./log/throttled-log.ts";
import { createHttp1 } from "./node-http/http1.ts";
import { createHandlers } from "./rpc/dispatcher.ts";
import type { Routes } from "./rpc/options.ts";
import { DescriptorIndex } from "./services/descriptor-index.ts";
import { mountHealth } from "./services/health.ts";
import { HealthStatus } from "./services/health-status.ts";
import { createHealthz, isHealthz } from "./services/healthz.ts";
import { mountReflection } from "./services/reflection.ts";
import { drain, drainTimes, type GivenDrainTimes } from "./shutdown.ts";
import { createHome } from "./site/home.ts";
import { PAGE_FILES, type Page } from "./site/page.ts";

type Log = (entry: string) => void;

/**
 * Takes the options of Connect's own adapters too: they hold for registrations without options, as in Connect. The limit
 * messageBytes is readMaxBytes.
 */
export interface ServerOptions extends Omit<ConnectRouterOptions, "interceptors" | "readMaxBytes"> {
  /**
   * Registers what is served. Options of a registration replace those of the server, as in Connect, but none of them
   * turns off the server's limits. Health and reflection are added, each unless the routes register a service of its
   * name themselves: theirs is then an ordinary service.
   */
  readonly routes: Routes;
  /** Origins whose pages may call, each like "https://example.com", or "*" for every one. Default: none. */
  readonly corsOrigins?: readonly string[];
  /**
   * Hosts that browsers may name to get here, beside those of loopback: names and addresses without ports, ".example.com"
   * for all names below one and itself, or "*" for every host. Others get 403, as pages that attack by DNS rebinding do.
   * Calls of other clients may name any. Default: no more than loopback if the server listens there, otherwise "*".
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Connect's interceptors, the first of them outermost. The server's health service passes by them, and as in Connect
   * does each service whose registration has interceptors of its own. Default: none.
   */
  readonly interceptors?: readonly Interceptor[];
  /** Runs the interceptors for calls of the health service too, which probes make without credentials. Default: false. */
  readonly interceptHealth?: boolean;
  /** Serves gRPC's reflection, by which tools learn what is served. Interceptors see its calls. Default: true. */
  readonly reflection?: boolean;
  /** Whether valid unary calls take the short way, or Connect's handlers answer all. Default: true. */
  readonly fastPath?: boolean;
  /** The HTTP/2 implementation: this server's, or node:http2, which enforces fewer limits. Default: "built-in". */
  readonly http2?: "built-in" | "node";
  /** What browsers get at "/", beside the lines of text. Default: none. */
  readonly page?: Page | undefined;
  /** What to serve over TLS with. Default: nothing, and the port is plain. */
  readonly tls?: TlsCredentials | undefined;
  /** What a peer may cost, where it is to be other than the default. */
  readonly limits?: Partial<Limits>;
  /**
   * Takes an entry on what an operator should know. Default: console.error. An entry has one or more lines, and those
   * after the first begin with a space. Control characters in it are escaped.
   */
  readonly log?: Log;
}

export interface Server {
  /** What is served, the services of the routes first. */
  readonly services: readonly DescService[];
  /**
   * The status of the server ("") and of each service: all serve from the start. Probes read it by grpc.health.v1.Health
   * and by GET /healthz; only by the latter if the routes register a grpc.health.v1.Health of their own, which the
   * server leaves alone, also when it drains.
   */
  readonly health: HealthStatus;
  /**
   * Listens on a TCP port, a Unix domain socket or an inherited socket. Returns the bound address: port 0 picks a free
   * port; a path is returned as it is. Rejects with a TypeError if the address is invalid, with Node's error if it cannot
   * listen there, and after close.
   */
  listen(address: { readonly port: number; readonly host?: string }): Promise<AddressInfo>;
  listen(address: { readonly path: string }): Promise<string>;
  listen(address: ListenAddress): Promise<BoundAddress>;
  /**
   * Serves new connections with these credentials; those that are open keep theirs. Throws Node's error where they are
   * none, and an error where only the old or the new ones have a clientCa; then nothing has changed.
   */
  renewTls(credentials: TlsCredentials): void;
  /**
   * Drains (drain.ts) in the given times, or their defaults: of 5 s that begin it while connections are still accepted,
   * unless the server listens on loopback or a path. Resolves when all connections are closed, with the
   * number of calls that were cut where the time ran out.
   */
  close(times?: GivenDrainTimes): Promise<number>;
}

/** ms in which the answers to calls that are cut may leave. */
const LAST_ANSWERS_MS = 50;

/**
 * Builds a server, which listens only when it is told to. Throws TypeError or RangeError for a limit that is unknown or
 * has a value that it cannot take, and Error if the routes register two implementations of one procedure.
 */
export function createServer(options: ServerOptions): Server {
  refuseRenamedOptions(options);
  const { routes, corsOrigins = [], interceptors = [], fastPath = true, tls } = options;
  const { interceptHealth = false, reflection = true } = options;
  const limits = completeLimits(options.limits);
  const write = options.log ?? console.error;
  const log: Log = (entry) => write(logEntry(entry));
  const throttledLog = createThrottledLog(log);
  const onLimit: OnLimit = (limit, what) => throttledLog(limit, `limit ${limit}: ${what}`);
  const shutdown = new AbortController();
  const endOfWatches = new AbortController();
  const cut = new AbortController();
  const health = new HealthStatus();
  const buffered = new Budget(limits.bufferedBytes);
  const exempt = new Set<DescService>();
  let index: DescriptorIndex | undefined;

  const { services, handler } = createHandlers({
    routes(router) {
      routes(router);
      const { connect = true, grpc = true, grpcWeb = true } = options;
      const protocols = { connect, grpc, grpcWeb };
      const own = interceptHealth ? protocols : { ...protocols, interceptors: [], requestGate: undefined };
      const healthOptions = own as Partial<ConnectRouterOptions>; // whose types have no undefined
      const healthService = mountHealth(router, health, endOfWatches.signal, healthOptions);
      if (healthService !== undefined) exempt.add(healthService);
      if (!reflection) return;
      for (const service of mountReflection(router, () => (index ??= new DescriptorIndex(services))))
        exempt.add(service);
    },
    defaults: { ...options, interceptors: [...interceptors] },
    messageBytes: limits.messageBytes,
    callsInFlight: limits.callsInFlight,
    compression: limits,
    isExempt: (service) => exempt.has(service),
    deadlineMs: limits.deadlineMs,
    fastPath,
    log: throttledLog,
    onLimit,
    shutdownSignal: shutdown.signal,
    cutSignal: cut.signal,
  });
  for (const service of ["", ...services.map(({ typeName }) => typeName)]) health.set(service, "serving");

  let credentials = tls;
  const home = createHome(services, () => credentials, { page: options.page, needsSchema: !reflection });
  const healthz = createHealthz(health);
  const calls = withCors(corsOrigins, withCaching(handler));
  const isHome = (path: string): boolean => path === "/" || path.startsWith("/?");
  const isFile = (path: string): boolean => options.page !== undefined && path.startsWith(PAGE_FILES);
  const hostChecks = (allowedHosts: readonly string[] | undefined): HostCheck =>
    new HostCheck({
      allowedHosts,
      corsOrigins,
      isProbe: isHealthz,
      isPage: (path) => isHome(path) || isFile(path),
      onRefused: (host) => throttledLog("host", `refuse a browser that names host ${quote(host)}: not allowed`),
    });
  let hosts = hostChecks(options.allowedHosts); // and once it listens on loopback only, at least those of loopback
  function handle(exchange: Exchange): void {
    if (!hosts.passes(exchange)) return;
    const { path } = exchange.request;
    if (isHome(path)) home(exchange);
    else if (isFile(path)) options.page?.files(exchange);
    else if (isHealthz(path)) healthz(exchange);
    else if (path === "*") respondOptions(exchange, ["GET", "HEAD", "POST"]);
    else calls(exchange);
  }

  const queued = new QueuedResponses(limits, onLimit);
  const state = { handler: handle, limits, buffered, queued, onLimit };
  const onError = (error: unknown): void => log(`serve HTTP/2: ${errorText(error)}`);
  const http1 = createHttp1(state, tls && httpsOptions(tls, limits.handshakeMs));
  let http2: Http2Server | undefined;
  const detection: DetectionOptions = {
    http2: (socket) => http2?.accept(socket),
    limits,
    onLimit,
    onRefused: (reason, address) =>
      throttledLog(reason, `refuse a connection${address === undefined ? "" : ` from ${address}`}: ${reason}`),
  };
  const pending = http1.https ? detectByAlpn(http1.https, detection) : detectByPreface(http1.server, detection);

  limitConnectionsPerAddress(http1.server, limits, onLimit);

  let listening: Promise<BoundAddress> | undefined;
  let endWatch: (() => void) | undefined;
  let closing: Promise<number> | undefined;
  const unavailable = (what: string): ConnectError => new ConnectError(what, Code.Unavailable);

  async function listen(address: NodeListenOptions): Promise<BoundAddress> {
    http2 =
      options.http2 === "node"
        ? (await import("./node-http/http2.ts")).createNodeHttp2(state)
        : createHttp2({ ...state, onError });
    http1.server.listen(address);
    await once(http1.server, "listening");
    http1.server.on("error", (error) => log(`accept a connection: ${error.message}`));
    endWatch = watchFileDescriptors(log);
    if (options.http2 === "node") log("HTTP/2 is node:http2's, without the limits that docs/limits.md says it has not");
    const bound = http1.server.address() ?? ""; // Node does not know the path of an inherited Unix domain socket
    if (typeof bound === "string") return bound;
    if (options.allowedHosts === undefined && isLocal(bound)) hosts = hostChecks([]);
    if (tls === undefined && !isLocal(bound))
      log(`listen on ${bound.address} port ${bound.port}: without TLS, so whoever is on the way reads every call`);
    return bound;
  }

  async function close(times: GivenDrainTimes): Promise<number> {
    const bound = await listening?.catch(() => undefined); // whoever called listen hears of its error
    endWatch?.();
    return drain(
      {
        announce() {
          health.shutDown();
          http1.sendConnectionClose();
        },
        async leave(idleMs) {
          endOfWatches.abort(unavailable("the server is shutting down"));
          const idle = setTimeout(() => pending.destroy(), idleMs);
          await Promise.all([http1.drain(idleMs), http2?.drain()]);
          clearTimeout(idle);
        },
        abort: () => shutdown.abort(unavailable("the server is shutting down")),
        async cut() {
          const calls = http1.requestsInFlight + (http2?.requestsInFlight ?? 0);
          cut.abort(unavailable("the server has shut down"));
          await sleep(LAST_ANSWERS_MS);
          pending.destroy();
          http1.destroy();
          http2?.destroy();
          return calls;
        },
      },
      drainTimes(times, bound === undefined || isLocal(bound)),
    );
  }

  return {
    services,
    health,

    async listen(address: ListenAddress): Promise<never> {
      const options = nodeListenOptions(address);
      if (closing !== undefined) throw new Error(`listen on ${nameOf(options)}: the server was closed`);
      listening = listen(options);
      return listening as Promise<never>; // which type it is, the overloads say
    },

    renewTls(renewed) {
      if (http1.https === undefined) throw new Error("renew TLS credentials: the server was built without any");
      if ((renewed.clientCa === undefined) !== (tls?.clientCa === undefined))
        throw new Error("renew TLS credentials: whether clients need certificates cannot change");
      http1.https.setSecureContext(secureContextOptions(renewed));
      credentials = renewed;
    },

    close(times = {}) {
      closing ??= close(times);
      return closing;
    },
  };
}
