/** The server of any Connect routes: every protocol, over HTTP/1.1 and HTTP/2, on one port. */
import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isAuthority } from "./authority.ts";
import { withCaching } from "./cache.ts";
import { withCors } from "./cors.ts";
import { DescriptorIndex } from "./descriptor-index.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { createHandlers, type Routes } from "./handlers.ts";
import { mountHealth } from "./health.ts";
import { HealthStatus } from "./health-status.ts";
import { createHome } from "./home.ts";
import { createHttp2, type Http2 } from "./http2/http2.ts";
import { DEFAULT_LIMITS as HTTP2_LIMITS } from "./http2/limits.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { splitByFirstBytes } from "./listener.ts";
import { nodeListener } from "./node-http.ts";
import { mountReflection } from "./reflection.ts";
import { respondBadAuthority, respondOptions } from "./refusals.ts";

type Log = (entry: string) => void;

export interface ServerOptions {
  /** What is served, beside health and reflection. */
  readonly routes: Routes;
  /** Origins whose pages may call, each like "https://example.com", or "*" for every one. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Connect's interceptors, the first of them outermost. Default: none. */
  readonly interceptors?: readonly Interceptor[];
  /** Whether valid unary calls take the short way, or Connect's handlers answer all. Default: true. */
  readonly lane?: boolean;
  /** Which HTTP/2: our own, or node:http2, which has none of the limits. Default: "own". */
  readonly http2?: "own" | "node";
  /** What a peer may cost, where it is to be other than the default. */
  readonly limits?: Partial<Limits>;
  /** Takes an entry, of one or more lines, on what an operator should know. Default: console.error. */
  readonly log?: Log;
}

export interface Server {
  /** What is served, the services of the routes first. */
  readonly services: readonly DescService[];
  /** The status of the server ("") and of each service: all serve from the start. */
  readonly health: HealthStatus;
  /** Listens, and gives the address. Port 0 picks a free one. Rejects with Node's error where it cannot. */
  listen(address: { host: string; port: number }): Promise<AddressInfo>;
  /**
   * Takes no more connections or calls, ends streams as `unavailable`, and resolves when the calls under way have
   * ended; after graceMs milliseconds, their connections are cut.
   */
  close(graceMs: number): Promise<void>;
}

/** Builds a server, which listens only when it is told to. */
export function createServer(options: ServerOptions): Server {
  const { routes, corsOrigins = [], interceptors = [], lane = true, log = console.error } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const shutdown = new AbortController();
  const health = new HealthStatus();
  let index: DescriptorIndex | undefined;

  const { services, handler } = createHandlers({
    routes(router) {
      routes(router);
      mountHealth(router, health);
      mountReflection(router, () => (index ??= new DescriptorIndex(services)));
    },
    interceptors,
    messageBytes: limits.messageBytes,
    abandonedHandlers: limits.abandonedHandlers,
    lane,
    log,
    shutdownSignal: shutdown.signal,
  });
  for (const service of ["", ...services.map(({ typeName }) => typeName)]) health.set(service, "serving");

  const home = createHome(services);
  const calls = withCors(corsOrigins, withCaching(handler));
  let lastAuthority: string | undefined; // was checked, and most callers name the same
  function handle(exchange: Exchange): void {
    const { authority, path } = exchange.request;
    if (authority !== lastAuthority && !isAuthority(authority)) {
      respondBadAuthority(exchange);
      return;
    }
    lastAuthority = authority;
    if (path === "/" || path.startsWith("/?")) home(exchange);
    else if (path === "*") respondOptions(exchange, ["GET", "HEAD", "POST"]);
    else calls(exchange);
  }

  const http1 = createHttp1Server(nodeListener(handle, limits.discardedBytes));
  const onError = (error: unknown): void => log(`serve HTTP/2: ${error instanceof Error ? error.stack : error}`);
  let http2: Awaited<ReturnType<typeof loadNodeHttp2>> | Http2 | undefined;
  let closing = false;
  // A connection that would be kept ends with its call, and says so.
  http1.prependListener("request", (_, response) => {
    if (closing) response.shouldKeepAlive = false;
  });
  const sockets = new Set<Socket>();
  const undecided = splitByFirstBytes(http1, (socket) => http2?.accept(socket));
  http1.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  return {
    services,
    health,

    async listen({ host, port }) {
      http2 =
        options.http2 === "node" ? await loadNodeHttp2(handle) : createHttp2({ handler: handle, limits, onError });
      http1.listen(port, host);
      await once(http1, "listening");
      if (closing) http1.close(); // it was told to before it could
      http1.on("error", (error) => log(`accept a connection: ${error.message}`));
      if (options.http2 === "node")
        log(`HTTP/2 is node:http2's, without the limits ${Object.keys(HTTP2_LIMITS).join(", ")}`);
      return http1.address() as AddressInfo;
    },

    async close(graceMs) {
      closing = true;
      const closed = new Promise((resolve) => http1.close(resolve));
      health.shutDown();
      shutdown.abort(new ConnectError("the server is shutting down", Code.Unavailable));
      void http2?.drain();
      undecided.close();
      // A connection of HTTP/1.1 may become idle at any time: its calls are not counted here.
      const sweep = setInterval(() => http1.closeIdleConnections(), 20);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

/** Imports node:http2's side only where it is wanted. */
async function loadNodeHttp2(handler: Handler) {
  const { createNodeHttp2 } = await import("./node-http2.ts");
  return createNodeHttp2(handler);
}
