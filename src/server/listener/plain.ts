/** Detects the protocol of each connection to a port without TLS: HTTP/2 by its connection preface, or else HTTP/1.1. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type DetectionOptions, PendingConnections, TLS_START } from "./pending-connections.ts";

/**
 * The start of the HTTP/2 connection preface (RFC 9113, 3.4). HTTP/1.1 requests do not begin with PRI, because this
 * method is reserved for the preface (RFC 7540, 11.6).
 */
const PREFACE_START = "PRI ";

/**
 * Makes the HTTP/1.1 server pass each HTTP/2 connection to `options.http2`, and refuse TLS. Replaces the server's
 * "connection" listeners, and calls the replaced listeners for HTTP/1.1 only. `http1` must be the server that listens,
 * because Node enforces the timeouts of HTTP/1.1 only on a listening server. Returns the connections that have not shown
 * their protocol yet.
 */
export function detectByPreface(http1: Server, options: DetectionOptions): PendingConnections {
  const pending = new PendingConnections(options);
  const acceptHttp1 = http1.listeners("connection") as ((socket: Socket) => void)[];
  http1.removeAllListeners("connection");
  http1.on("connection", (socket: Socket) => {
    pending.peek(socket, PREFACE_START, (start) => {
      if (start === PREFACE_START) return options.http2(socket);
      if (start.startsWith(TLS_START)) {
        return pending.refuse(socket, "it speaks TLS, and this port is plain", "this port is plain: use http");
      }
      for (const accept of acceptHttp1) accept.call(http1, socket);
      socket.resume();
    });
  });
  return pending;
}
