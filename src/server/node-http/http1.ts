/** HTTP/1.1 by node:http, with the limits that Node does not enforce and a graceful shutdown. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HttpContext } from "../http/http-context.ts";
import { LIMITS, type Limits } from "../limits/limits.ts";
import { MAX_TIMER_MS, pausedWithin } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";
import { NodeConnection } from "./connection.ts";
import { NodeConnections } from "./connections.ts";
import { closeWithStatus } from "./early-response.ts";
import { createNodeListener, type NodeListener } from "./node-listener.ts";

/** Interval between checks for idle connections while the server drains. */
const DRAIN_CHECK_MS = 20;

/** Maps Node's error codes for invalid or slow requests to the status of the response and to the exceeded limit, if any. */
const PARSE_ERRORS: Readonly<
  Record<string, { readonly status: number; readonly limit?: "headersMs" | "headerListBytes" }>
> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, limit: "headersMs" },
  HPE_HEADER_OVERFLOW: { status: 431, limit: "headerListBytes" },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413 },
};

/** Serves connections that another server has accepted, plain or TLS. Does not listen. */
export class Http1Server {
  readonly #server: Server;
  readonly #context: HttpContext;
  readonly #connections: NodeConnections<Socket>;
  readonly #listener: NodeListener;
  #isClosing = false;
  #hasTimeouts = false;

  constructor(context: HttpContext) {
    const { handler, limits } = context;
    this.#context = context;
    this.#connections = new NodeConnections(context);
    this.#listener = createNodeListener(handler);
    // An import reads every export of node:http, and so loads undici, which costs 24 ms at the start.
    this.#server = process.getBuiltinModule("node:http").createServer(nodeOptions(limits));
    // By default, Node 22.12 drops the fields after the first thousand or so. A client could so hide what a proxy appends.
    this.#server.maxHeadersCount = 0; // no limit but maxHeaderSize
    this.#extendHeadersTimeout();
    this.#listenToEvents();
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Number of requests whose response is not complete. */
  get requestsInFlight(): number {
    return this.#connections.requestsInFlight;
  }

  /** Serves a connection. The bytes that were read from it must have been put back with `socket.unshift`. */
  accept(socket: Socket): void {
    if (!this.#hasTimeouts) {
      this.#hasTimeouts = true;
      this.#server.emit("listening"); // for which Node waits until it checks the timeouts of connections
    }
    this.#server.emit("connection", socket);
    socket.resume();
  }

  /**
   * From now on, adds `Connection: close` to the response to each connection's newest request. The server still accepts
   * connections.
   */
  sendConnectionClose(): void {
    this.#isClosing = true;
    for (const [, connection] of this.#connections) connection.close();
  }

  /**
   * Closes each connection as soon as it has no request, but not before `idleMs`. `sendConnectionClose` must have been
   * called before, so that each connection closes after a response. Resolves when `closed` does, which stands for the
   * connections of all protocols.
   */
  async drain(idleMs: number, closed: Promise<void>): Promise<void> {
    const idleUntil = performance.now() + idleMs;
    const check = setInterval(() => {
      if (performance.now() >= idleUntil) this.#destroyIdle();
    }, DRAIN_CHECK_MS);
    await closed;
    clearInterval(check);
    this.#server.close(); // stops its timers
  }

  /** Closes every connection immediately. */
  destroy(): void {
    for (const [socket] of this.#connections) socket.destroy();
  }

  #destroyIdle(): void {
    for (const [socket, { requests }] of this.#connections) if (requests.size === 0) socket.destroy();
  }

  /**
   * Extends Node's timeout for request heads by the time for which the process was paused. Node reads `headersTimeout` at
   * each check.
   */
  #extendHeadersTimeout(): void {
    const { headersMs } = this.#context.limits;
    Object.defineProperty(this.#server, "headersTimeout", {
      get: () => (Number.isFinite(headersMs) ? Math.ceil(headersMs + pausedWithin(headersMs)) : 0),
    });
  }

  #listenToEvents(): void {
    const server = this.#server;
    const onRequest = (req: IncomingMessage, res: ServerResponse): void => this.#onRequest(req, res);
    server.on("connection", (socket) => this.#onConnection(socket));
    server.on("timeout", (socket: Socket) => this.#onIdleTimeout(socket));
    server.on("request", onRequest);
    // A server may ignore expectations other than 100-continue (RFC 9110, 10.1.1). The HTTP/2 servers ignore them too.
    server.on("checkExpectation", onRequest);
    server.on("connect", ({ socket }) => this.#onConnect(socket));
    server.on("clientError", (error, socket) => this.#onClientError(error, socket as Socket));
  }

  #onConnection(socket: Socket): void {
    const connection = new NodeConnection(socket, this.#context, { isExclusive: true });
    connection.isClosing = this.#isClosing;
    this.#connections.add(socket, connection);
    socket.on("close", () => this.#connections.delete(socket));
  }

  /**
   * Closes a connection that was idle for idleMs. If the process was paused in that time, a request may be waiting to
   * be read, so the timeout is extended once. Does nothing if a listener has set the timeout and handles it.
   */
  #onIdleTimeout(socket: Socket): void {
    const connection = this.#connections.get(socket);
    for (const { handlesTimeout } of connection?.requests ?? []) if (handlesTimeout) return;
    const extraMs = connection === undefined || connection.idleExtended ? 0 : pausedWithin(this.#context.limits.idleMs);
    if (connection === undefined || extraMs === 0) {
      socket.destroy();
      return;
    }
    connection.idleExtended = true;
    socket.setTimeout(Math.min(extraMs, MAX_TIMER_MS));
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const { limits, onLimit } = this.#context;
    const connection = this.#connections.get(req.socket) as NodeConnection;
    connection.idleExtended = false;
    if (connection.refusedRequests === 0 && connection.requests.size < limits.pipelinedRequests) {
      this.#listener(req, res, connection);
      return;
    }
    connection.refusedRequests++;
    if (connection.refusedRequests === 1) {
      onLimit("pipelinedRequests", `pipelined requests exceed ${limits.pipelinedRequests}`);
      req.socket.pause();
      res.shouldKeepAlive = false;
      res.writeHead(429).end();
      // Node may still parse requests that it has received, and keeps them until the 429 is sent. These requests are
      // ignored.
    } else if (connection.refusedRequests > limits.pipelinedRequests) req.socket.destroy();
  }

  /** Responds 501 to CONNECT, which is not implemented (RFC 9110, 15.6.2). */
  #onConnect(socket: Socket): void {
    const { requests } = this.#connections.get(socket) as NodeConnection;
    if (requests.size === 0) {
      closeWithStatus(socket, 501);
      return;
    }
    // A client would take the 501 for the response to the first of these requests. Node does not cancel the requests.
    for (const request of requests) request.cancel();
    socket.destroy();
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const { limits, onLimit } = this.#context;
    const connection = this.#connections.get(socket);
    // The connection is closed already, or an earlier error has ended it.
    if (connection === undefined || socket.writableEnded) return;
    const { status, limit } = PARSE_ERRORS[error.code ?? ""] ?? { status: 400 };
    if (limit !== undefined) {
      onLimit(limit, `the head of a request exceeds ${limits[limit]} ${LIMITS[limit].unit}`);
    }
    const { requests, newest } = connection;
    if (newest !== undefined && !newest.isComplete) {
      // The error is in the rest of the newest request, which may already have its response.
      if (requests.has(newest) && !newest.isBlocked) newest.refuse(status);
      else lingeringClose(socket, "");
    } else if (socket.writable && requests.size === 0) closeWithStatus(socket, status);
    // A client would take this status for the response to an earlier request.
    else socket.destroySoon();
  }
}

function nodeOptions(limits: Limits) {
  const timer = (ms: number): number => (Number.isFinite(ms) ? ms : 0); // 0 turns a timer of Node's off
  return {
    headersTimeout: timer(limits.headersMs),
    connectionsCheckingInterval: Math.max(10, Math.min(1_000, limits.headersMs / 4)),
    // Off, because a streaming call may take any time. `NodeConnection` limits the time for bodies that are buffered.
    requestTimeout: 0,
    keepAliveTimeout: Math.min(timer(limits.idleMs), MAX_TIMER_MS - 1_000), // Node adds a second to it
    maxHeaderSize: Math.min(limits.headerListBytes, 2 ** 31 - 1),
  };
}
