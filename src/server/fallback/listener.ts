/** Serves exchanges with a listener of node:http: with Node's own objects, or by a connection in memory. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type Exchange, fieldValue, type RequestHead } from "../http/exchange.ts";
import { respondText } from "../http/responses.ts";
import { Budget } from "../limits/budget.ts";
import { type FallbackContext, logError } from "./context.ts";
import { EncryptedExchangeSocket, ExchangeSocket, type SocketContext } from "./exchange-socket.ts";
import { isConnectionSpecific } from "./fields.ts";

/** A listener for the requests of a server of node:http. It may return a promise. */
export type NodeListener = (req: IncomingMessage, res: ServerResponse) => void;

export class ListenerCalls {
  readonly #listener: (req: IncomingMessage, res: ServerResponse) => unknown;
  readonly #context: SocketContext;
  /** Serves the connections in memory. It never listens, so it has no timers. */
  readonly #server: Server;

  constructor(listener: NodeListener, context: FallbackContext) {
    this.#listener = listener;
    const { limits, onLimit, throttledLog } = context;
    this.#context = { limits, onLimit, throttledLog, waiting: new Budget(limits.queuedBytes) };
    this.#server = this.#createServer();
  }

  /** Serves an exchange. Calls `done` once, when the response is complete or the exchange is cancelled. */
  serve(exchange: Exchange, done: () => void): void {
    const messages = exchange.takeNodeMessages?.(done);
    if (messages === undefined) this.#serveInMemory(exchange, done);
    else void this.#run(messages.req, messages.res);
  }

  #serveInMemory(exchange: Exchange, done: () => void): void {
    const { request, hasBody } = exchange;
    const isChunked = hasBody && fieldValue(request.fields, "content-length") === undefined;
    const head = KNOWN_METHODS.has(request.method) ? headOf(request, isChunked) : 501;
    if (typeof head === "number") {
      respondText(exchange, head, `${STATUS_CODES[head]}\n`);
      done();
      return;
    }
    const SocketClass = request.scheme === "https" ? EncryptedExchangeSocket : ExchangeSocket;
    const socket = new SocketClass(exchange, head, isChunked, this.#context, done);
    if (!socket.destroyed) this.#server.emit("connection", socket);
  }

  #createServer(): Server {
    const server = process.getBuiltinModule("node:http").createServer({
      keepAliveTimeout: 0,
      // The server that received the request has limited its head, and has checked its host.
      maxHeaderSize: 2 ** 31 - 1,
      requireHostHeader: false,
    });
    server.maxHeadersCount = 0; // no limit
    server.maxRequestsPerSocket = 1; // a body that is longer than its length must not become another request
    const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
      const socket = req.socket as ExchangeSocket;
      req.on("error", ignore);
      res.on("error", ignore);
      res.on("close", () => socket.destroy());
      socket.listening = this.#run(req, res);
    };
    return server
      .on("request", onRequest)
      .on("checkExpectation", onRequest)
      .on("clientError", (_, socket) => (socket as ExchangeSocket).refuse(400));
  }

  /** Calls the listener. Returns a promise that resolves when the promise of the listener is settled, if it returns one. */
  #run(req: IncomingMessage, res: ServerResponse): Promise<void> | undefined {
    const { method = "", url = "" } = req;
    const fail = (error: unknown): void => {
      logError(this.#context, { method, path: url }, error);
      respondToError(res);
    };
    try {
      const result = this.#listener(req, res);
      if (isThenable(result)) return Promise.resolve(result).then(ignore, fail);
    } catch (error) {
      fail(error);
    }
    return undefined;
  }
}

const { METHODS, STATUS_CODES } = process.getBuiltinModule("node:http");
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

/** Matches a target or a value that would end its line in HTTP/1.1. HTTP/2 does not permit them either. */
const INVALID_TARGET = /[^!-~\x80-\xff]/;
const INVALID_VALUE = /[\r\n\0]/;

/** Returns the head of a request in HTTP/1.1 (RFC 9112, 3), or the status of the response if it is invalid there. */
function headOf({ method, path, authority, fields }: RequestHead, isChunked: boolean): string | 400 {
  if (INVALID_TARGET.test(path)) return 400;
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (authority !== "") text += `host: ${authority}\r\n`;
  if (isChunked) text += "transfer-encoding: chunked\r\n";
  for (const [name, value] of fields) {
    if (INVALID_VALUE.test(value)) return 400;
    if (name !== "host" && name !== "cookie" && !isConnectionSpecific(name)) text += `${name}: ${value}\r\n`;
  }
  const cookies = fields.filter(([name]) => name === "cookie");
  // HTTP/2 may split the cookies (RFC 9113, 8.2.3).
  if (cookies.length > 0) text += `cookie: ${cookies.map(([, value]) => value).join("; ")}\r\n`;
  return `${text}\r\n`;
}

/** Responds with status 500 if the response has not begun. Otherwise destroys its connection, unless it is complete. */
function respondToError(res: ServerResponse): void {
  if (res.writableEnded) return;
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  res.writeHead(500, STATUS_CODES[500], { "content-type": "text/plain; charset=utf-8" });
  res.end(`${STATUS_CODES[500]}\n`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function ignore(): void {}
