/** The interface of an HTTP/2 server: this project's own, or node:http2. */
import type { Socket } from "node:net";

/** Serves connections that another server has accepted. It does not listen. */
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
