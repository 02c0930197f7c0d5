/** The server of any Connect routes: every protocol, over HTTP/1.1 and HTTP/2, on one port. */
import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { isAuthority } from "./authority.ts";
import { withCaching } from "./cache.ts";
import { withCors } from "./cors.ts";
import { DescriptorIndex } from "./descriptor-index.ts";
import type { Exchange } from "./exchange.ts";
import { createHandlers, type Routes } from "./handlers.ts";
import { mountHealth } from "./health.ts";
import { HealthStatus } from "./health-status.ts";
import { createHome } from "./home.ts";
import { splitByFirstBytes } from "./listener.ts";
import { nodeListener } from "./node-http.ts";
import { createNodeHttp2 } from "./node-http2.ts";
import { mountReflection } from "./reflection.ts";
import { respondBadAuthority } from "./refusals.ts";

export interface ServerOptions {
  /** What is served, beside health and reflection. */
  readonly routes: Routes;
  /** Origins whose pages may call, each like "https://example.com", or "*" for every one. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Takes an entry, of one or more lines, on what an operator should know. Default: console.error. */
  readonly log?: (entry: string) => void;
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
export function createServer({ routes, corsOrigins = [], log = console.error }: ServerOptions): Server {
  const shutdown = new AbortController();
  const health = new HealthStatus();
  let index: DescriptorIndex | undefined;

  const { services, handler } = createHandlers({
    routes(router) {
      routes(router);
      mountHealth(router, health);
      mountReflection(router, () => (index ??= new DescriptorIndex(services)));
    },
    log,
    shutdownSignal: shutdown.signal,
  });
  for (const service of ["", ...services.map(({ typeName }) => typeName)]) health.set(service, "serving");

  const home = createHome(services);
  const calls = withCors(corsOrigins, withCaching(handler));
  function handle(exchange: Exchange): void {
    const { authority, path } = exchange.request;
    if (!isAuthority(authority)) respondBadAuthority(exchange);
    else if (path === "/") home(exchange);
    else calls(exchange);
  }

  const http1 = createHttp1Server(nodeListener(handle));
  const http2 = createNodeHttp2(handle);
  const sockets = new Set<Socket>();
  const undecided = splitByFirstBytes(http1, http2.accept);
  http1.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  return {
    services,
    health,

    async listen({ host, port }) {
      http1.listen(port, host);
      await once(http1, "listening");
      http1.on("error", (error) => log(`accept a connection: ${error.message}`));
      return http1.address() as AddressInfo;
    },

    async close(graceMs) {
      const closed = new Promise((resolve) => http1.close(resolve));
      health.shutDown();
      shutdown.abort(new ConnectError("the server is shutting down", Code.Unavailable));
      http2.drain();
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
