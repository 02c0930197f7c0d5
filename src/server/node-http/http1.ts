/** HTTP/1.1: node:http's server, with the limits that it leaves out, and a drain. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer, type ServerOptions } from "node:https";
import { Server as NetServer, type Socket } from "node:net";
import { LIMITS, type Limits } from "../limits/limits.ts";
import { MAX_TIMER_MS, pausedWithin } from "../limits/process-clock.ts";
import { lingeringClose } from "../listener/lingering-close.ts";
import { NodeConnection, type NodeServerState } from "./connection.ts";
import { NodeConnections } from "./connections.ts";
import { createNodeListener } from "./exchange.ts";

/** ms between looks at the connections while the server drains. */
const DRAIN_SWEEP_MS = 20;

/** What a request that cannot be parsed is answered with, by Node's code. */
const REFUSALS: Readonly<
  Record<string, { readonly status: number; readonly limit?: "headersMs" | "headerListBytes" }>
> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, limit: "headersMs" },
  HPE_HEADER_OVERFLOW: { status: 431, limit: "headerListBytes" },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413 },
};

export interface Http1 {
  /** The one that listens; and again, where it speaks TLS. */
  readonly server: Server | HttpsServer;
  readonly https: HttpsServer | undefined;
  /** Requests under way. */
  readonly requestsInFlight: number;
  /** Has each answer say that its connection ends with it, from now on. */
  sendConnectionClose(): void;
  /**
   * Takes no more connections, and settles when the last is closed: with the answer to a request, which those without
   * one have idleMs to send.
   */
  drain(idleMs: number): Promise<void>;
  /** Ends every connection at once. */
  destroy(): void;
}

/** tls is what it speaks TLS with; undefined where it is plain. */
export function createHttp1(state: NodeServerState, tls?: ServerOptions): Http1 {
  const { limits, onLimit } = state;
  const connections = new NodeConnections<Socket>(state);
  let closing = false;

  const https = tls && createHttpsServer({ ...nodeOptions(limits), ...tls });
  const server: Server | HttpsServer = https ?? createServer(nodeOptions(limits));
  if (Number.isFinite(limits.connections)) server.maxConnections = limits.connections;
  server.on("drop", () => onLimit("connections", `connections exceed ${limits.connections}`));
  server.on(https === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    const connection = new NodeConnection(socket, state);
    connection.closing = closing;
    connections.add(socket, connection);
    socket.on("close", () => connections.delete(socket));
  });

  // Node asks for its value at each check. A head that began before a gap in running time gets that much longer.
  Object.defineProperty(server, "headersTimeout", {
    get: () => (Number.isFinite(limits.headersMs) ? Math.ceil(limits.headersMs + pausedWithin(limits.headersMs)) : 0),
  });
  server.on("timeout", (socket: Socket) => {
    // Only a connection without a request has a timer. A request may wait unread since before a gap in running time.
    const connection = connections.get(socket);
    const more = connection === undefined || connection.idleExtended ? 0 : pausedWithin(limits.idleMs);
    if (connection === undefined || more === 0) return socket.destroy();
    connection.idleExtended = true;
    socket.setTimeout(Math.min(more, MAX_TIMER_MS));
  });

  const listener = createNodeListener(state.handler);
  function take(req: IncomingMessage, res: ServerResponse): void {
    const connection = connections.get(req.socket) as NodeConnection;
    connection.idleExtended = false;
    if (connection.refused > 0 || connection.requests.size >= limits.pipelinedRequests) connection.refused++;
    if (connection.refused === 0) listener(req, res, connection);
    else if (connection.refused === 1) {
      onLimit("pipelinedRequests", `pipelined requests exceed ${limits.pipelinedRequests}`);
      req.socket.pause();
      refuse(res, 429);
      // What was on its way is passed over. Node reads on, and keeps all of it until it is that answer's turn.
    } else if (connection.refused > limits.pipelinedRequests) req.socket.destroy();
  }
  server.on("request", take);
  // What else than 100 (Continue) is expected may be ignored (RFC 9110, 10.1.1), and is over HTTP/2.
  server.on("checkExpectation", take);
  // What it asks for is not implemented here (RFC 9110, 15.6.2).
  server.on("connect", ({ socket }) => {
    const { requests } = connections.get(socket) as NodeConnection;
    if (requests.size === 0) return lingeringClose(socket, rawRefusal(501));
    // The refusal would be taken for the first of their answers, and Node has forgotten them.
    for (const request of requests) request.abandon();
    socket.destroy();
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    if (connection === undefined || socket.writableEnded) return; // it is gone; or was refused before, and lingers
    const { requests, newest } = connection;
    const { status, limit } = REFUSALS[error.code ?? ""] ?? { status: 400 };
    if (limit !== undefined) {
      onLimit(limit, `the head of a request exceeds ${limits[limit]} ${LIMITS[limit].unit}`);
    }
    if (newest !== undefined && !newest.isWhole) {
      // It is in the rest of a request, which may have its answer already.
      if (requests.has(newest) && !newest.waitsForTurn) newest.refuse(status);
      else lingeringClose(socket, "");
    } else if (socket.writable && requests.size === 0) lingeringClose(socket, rawRefusal(status));
    // Where answers are owed to earlier requests, this one would be taken for the first of theirs.
    else socket.destroySoon();
  });

  return {
    server,
    https,
    get requestsInFlight() {
      return connections.requestsInFlight;
    },
    sendConnectionClose() {
      closing = true;
      for (const [, connection] of connections) connection.closing = true;
    },
    async drain(idleMs) {
      const idleUntil = performance.now() + idleMs;
      // Node's own close would cut idle connections, on each of which a request may be on its way.
      const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
      const sweep = setInterval(() => {
        if (performance.now() < idleUntil) return;
        for (const [socket, { requests }] of connections) if (requests.size === 0) socket.destroy();
      }, DRAIN_SWEEP_MS);
      await closed;
      clearInterval(sweep);
      server.close(); // ends its timers
    },
    destroy() {
      for (const [socket] of connections) socket.destroy();
    },
  };
}

/** An answer in a word, after which the connection ends. */
function refuse(res: ServerResponse, status: number): void {
  res.shouldKeepAlive = false;
  res.writeHead(status).end();
}

function rawRefusal(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`;
}

function nodeOptions(limits: Limits) {
  const timer = (ms: number): number => (Number.isFinite(ms) ? ms : 0); // 0 turns Node's off
  return {
    headersTimeout: timer(limits.headersMs),
    connectionsCheckingInterval: Math.max(10, Math.min(1_000, limits.headersMs / 4)),
    // A stream may take as long as it wants: the time of a unary request is looked at by its connection.
    requestTimeout: 0,
    keepAliveTimeout: Math.min(timer(limits.idleMs), MAX_TIMER_MS - 1_000), // to which Node adds a second
    maxHeaderSize: Math.min(limits.headerListBytes, 2 ** 31 - 1),
    keepAlive: Number.isFinite(limits.keepaliveMs),
    keepAliveInitialDelay: timer(limits.keepaliveMs),
  };
}
