/** HTTP/2 by node:http2, on sockets that are handed to it. It has none of the limits of our own. */
import { createServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Handler } from "./exchange.ts";
import { nodeListener } from "./node-http.ts";

/** An HTTP/2 server that never listens. */
export function createNodeHttp2(handler: Handler) {
  const server = createServer(nodeListener(handler, Number.POSITIVE_INFINITY));
  const sessions = new Set<ServerHttp2Session>();
  let draining = false;
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    if (draining) session.close();
  });
  return {
    /** Serves a connection: a socket from which nothing was read. */
    accept(socket: Socket): void {
      socket.allowHalfOpen = false; // or node:http2 keeps a socket whose peer has ended
      server.emit("connection", socket);
    },
    /** Takes no new requests on any connection; each closes when its calls have ended. */
    drain(): void {
      draining = true;
      for (const session of sessions) session.close();
    },
  };
}
