/** The interface of an HTTP/2 server. This project's own server and the one on node:http2 implement it. */
import type { Socket } from "node:net";

/** Serves connections that another server has accepted. Does not listen. */
export interface Http2Server {
  /**
   * Serves a connection, plain or TLS. The client's first bytes must still be readable: bytes that were read must have
   * been put back with `socket.unshift`.
   */
  accept(socket: Socket): void;
  /** Closes every connection gracefully. Resolves when all streams have ended and all connections are closed. */
  drain(): Promise<void>;
  /** Closes every connection immediately. */
  destroy(): void;
  /** Number of open connections. */
  readonly connections: number;
  /** Number of requests whose response is not complete. */
  readonly requestsInFlight: number;
}
