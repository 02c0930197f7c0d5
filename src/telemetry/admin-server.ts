/**
 * The admin server: metrics and probes on a port of their own. Its limits are its own, so it also answers while the server of
 * calls refuses load. Its sockets never hold the process.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { hostOf } from "../server/http/authority.ts";
import { isLoopbackHost } from "../server/http/host-check.ts";
import { isLocal } from "../server/listener/listen-address.ts";
import { CONTENT_TYPE } from "./exposition.ts";

export interface AdminOptions {
  /** Returns the text of the metrics. Not called again before it has resolved. */
  readonly metrics: () => Promise<string>;
  /** True if load balancers may send calls to the server. */
  readonly isReady: () => boolean | Promise<boolean>;
}

export interface AdminServer {
  readonly address: AddressInfo;
  /** Stops listening, and closes all connections. */
  close(): void;
}

/** The maximum of open connections. A scraper and the probes of an orchestrator need three. */
export const ADMIN_CONNECTIONS = 16;
/** The maximum time to receive a request, and a connection's maximum time without one or without progress. */
const IDLE_MS = 5_000;
/** The interval between checks of the time to receive a request. */
const CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 8_192;

const METHODS = ["GET", "HEAD"];

/** Listens on `host` and `port`; port 0 picks a free one. Rejects with Node's error if it cannot listen there. */
export async function startAdminServer(host: string, port: number, options: AdminOptions): Promise<AdminServer> {
  // An import reads every export of node:http, and so loads undici, which costs 24 ms at the start.
  const server = process.getBuiltinModule("node:http").createServer({
    requestTimeout: IDLE_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: CHECK_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  server.headersTimeout = IDLE_MS;
  server.maxConnections = ADMIN_CONNECTIONS;
  server.timeout = IDLE_MS; // a client that does not read its response makes no progress
  server.on("connection", (socket: Socket) => socket.unref());
  const address = await listen(server, host, port);
  const responder = new Responder(options, isLocal(address));
  server.on("request", (request, response) => void responder.respond(request, response));
  server.unref();
  return {
    address,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject).on("error", () => {}); // Node reports a failed accept here, and goes on listening
      resolve(server.address() as AddressInfo);
    });
  });
}

class Responder {
  readonly #options: AdminOptions;
  readonly #isLocal: boolean;
  /** The text that is being made. Scrapes at the same time share it. */
  #metrics: Promise<string> | undefined;

  constructor(options: AdminOptions, isLocal: boolean) {
    this.#options = options;
    this.#isLocal = isLocal;
  }

  async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body is never read, so its connection cannot be used again.
    if (hasBody(request)) response.setHeader("connection", "close");
    // Neither a page of another origin nor a cache may have a response.
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("cross-origin-resource-policy", "same-origin");
    response.setHeader("cache-control", "no-store");
    const { status, text, type = "text/plain; charset=utf-8" } = await this.#responseTo(request);
    if (status === 405) response.setHeader("allow", METHODS.join(", "));
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
    response.end(request.method === "HEAD" ? undefined : text);
  }

  async #responseTo({ headers, method = "", url = "" }: IncomingMessage): Promise<AdminResponse> {
    if (!this.#mayName(headers.host)) return { status: 403, text: "not one of the allowed hosts\n" };
    if (!METHODS.includes(method)) return { status: 405, text: "method not allowed\n" };
    const [path] = url.split("?", 1);
    if (path === "/livez") return { status: 200, text: "ok\n" };
    if (path === "/readyz") return (await this.#options.isReady()) ? { status: 200, text: "ok\n" } : NOT_READY;
    if (path !== "/metrics") return { status: 404, text: "not found: /metrics, /livez and /readyz are served\n" };
    try {
      return { status: 200, text: await this.#metricsText(), type: CONTENT_TYPE };
    } catch (error) {
      return { status: 500, text: `collect metrics: ${(error as Error).message}\n` };
    }
  }

  /**
   * True if a request may name this host. Pages of browsers can reach a server on loopback by a name that resolves to loopback
   * (DNS rebinding). They cannot choose the name localhost or an address, nor leave the host out, as probes in HTTP/1.0 do.
   */
  #mayName(authority: string | undefined): boolean {
    if (!this.#isLocal || authority === undefined) return true;
    const host = hostOf(authority);
    return host !== undefined && (isLoopbackHost(host) || ADDRESS.test(host));
  }

  #metricsText(): Promise<string> {
    this.#metrics ??= this.#options.metrics().finally(() => {
      this.#metrics = undefined;
    });
    return this.#metrics;
  }
}

interface AdminResponse {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

const NOT_READY: AdminResponse = { status: 503, text: "not ready\n" };

/** Matches an IP address in the form of `hostOf`. */
const ADDRESS = /^(?:\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])$/;

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}
