/** The fallback: serves the requests that are not calls with the application's own listener or fetch function. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Exchange, Handler } from "../http/exchange.ts";
import { respondText } from "../http/responses.ts";
import { Budget } from "../limits/budget.ts";
import type { FallbackContext } from "./context.ts";
import { FetchCall, type FetchHandler } from "./fetch.ts";
import { ListenerCalls, type NodeListener } from "./listener.ts";

export type { FetchHandler, NodeListener };

/**
 * Serves the requests that are not calls. One of:
 * - a listener of node:http, such as an Express application, `fastify.routing` or `koa.callback()`. Over HTTP/2, it gets
 *   objects of node:http too. If it returns a promise, a rejection counts as an error of the listener.
 * - a server of node:http that has a listener for requests. Its other listeners are not called, and it need not listen.
 * - an object with a `fetch` method, such as a Hono application or a module for Bun, Deno or Cloudflare Workers.
 *
 * After an error, the client gets status 500 if the response has not begun. Otherwise the response is cut off. The error
 * is logged. Errors that a listener throws in a callback, such as that of a timer, are not seen here.
 *
 * The limits of the server hold: a client that reads or sends too slowly is cut off. Upgrades, such as those of WebSockets,
 * are not passed on. Over HTTP/2, the rest of a request cannot be read after its response is complete.
 */
export type Fallback = NodeListener | NodeServer | FetchHandler;

/** The part of a server of node:http that the fallback uses. */
export type NodeServer = Pick<Server, "rawListeners" | "listenerCount">;

/** Begins to serve a request. Calls `done` once, when the response is complete or the exchange is cancelled. */
type Serve = (exchange: Exchange, done: () => void) => void;

/** Describes the values that `isFallback` accepts, for messages. */
export const FALLBACKS =
  "a (req, res) listener, a server of node:http with a request listener, or an object with a fetch method";

export function isFallback(value: unknown): value is Fallback {
  return listenerOf(value) !== undefined || hasMethod(value, "fetch");
}

/** Returns the handler of a fallback. Throws TypeError if `fallback` is not a Fallback. */
export function createFallback(fallback: Fallback, context: FallbackContext): Handler {
  const serve = createServe(fallback, context);
  const { limits, onLimit } = context;
  const inFlight = new Budget(limits.callsInFlight);
  const done = (): void => inFlight.release(1);
  return (exchange) => {
    if (inFlight.tryReserve(1)) serve(exchange, done);
    else {
      onLimit("callsInFlight", `requests of the fallback in flight exceed ${limits.callsInFlight}`);
      respondText(exchange, 503, "the server is overloaded\n", [["retry-after", "1"]]);
    }
  };
}

function createServe(fallback: unknown, context: FallbackContext): Serve {
  const listener = listenerOf(fallback);
  if (listener !== undefined) {
    const calls = new ListenerCalls(listener, context);
    return (exchange, done) => calls.serve(exchange, done);
  }
  if (!hasMethod(fallback, "fetch")) throw new TypeError(`fallback: must be ${FALLBACKS}`);
  const handler = fallback as unknown as FetchHandler;
  return (exchange, done) => void new FetchCall(handler, exchange, context).run().finally(done);
}

/** Returns the listener of a fallback, or undefined if `fallback` is neither a listener nor a server. */
function listenerOf(fallback: unknown): NodeListener | undefined {
  // A function comes first, because an Express application is a function with the methods of an event emitter.
  if (typeof fallback === "function") return fallback as NodeListener;
  if (!hasMethod(fallback, "rawListeners") || !hasMethod(fallback, "listenerCount")) return undefined;
  const server = fallback as unknown as NodeServer;
  return server.listenerCount("request") > 0 ? (req, res) => callListeners(server, req, res) : undefined;
}

/** Calls the request listeners of a server. The server does not emit the event, since that would lose their promises. */
function callListeners(server: NodeServer, req: IncomingMessage, res: ServerResponse): unknown {
  // Without this, a WebSocket client would get an unrelated response of the request listener.
  if (req.headers.upgrade?.toLowerCase() === "websocket" && server.listenerCount("upgrade") > 0) {
    res.writeHead(501, { "content-type": "text/plain; charset=utf-8" });
    res.end("upgrade to websocket: upgrades are not passed to the fallback\n");
    return undefined;
  }
  return Promise.all(server.rawListeners("request").map((listener) => Reflect.apply(listener, server, [req, res])));
}

function hasMethod<K extends string>(value: unknown, name: K): value is Record<K, unknown> {
  return typeof value === "object" && value !== null && typeof (value as Record<K, unknown>)[name] === "function";
}
