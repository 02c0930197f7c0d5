/** The interfaces of the HTTP servers: the context that a server gets, and the methods of an HTTP/2 server. */
import type { Socket } from "node:net";
import type { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses } from "../limits/queued-responses.ts";
import type { Handler } from "./exchange.ts";

/** The handler and the limits that all HTTP servers of one port share, for HTTP/1.1 and HTTP/2. */
export interface HttpContext {
  readonly handler: Handler;
  readonly limits: Limits;
  /** The budget for request bytes that are buffered for handlers. */
  readonly buffered: Budget;
  /** The response bytes that wait for clients. */
  readonly queued: QueuedResponses;
  readonly onLimit: OnLimit;
}

/** Serves connections that another server has accepted, by this project's HTTP/2 or by node:http2. Does not listen. */
export interface Http2Server {
  /** Serves a connection, plain or TLS. Nothing may have been read from the socket, unless it was unshifted into it. */
  accept(socket: Socket): void;
  /** Closes every connection gracefully. Resolves when the last stream has ended and the last connection is closed. */
  drain(): Promise<void>;
  /** Closes every connection immediately. */
  destroy(): void;
  /** Number of requests whose response is not complete. */
  readonly requestsInFlight: number;
}
