/** HTTP/2 by node:http2, on sockets that are handed to it. It has none of the limits of our own. */
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Http2Server } from "../http/http2-server.ts";
import { NodeConnection, type NodeServerState } from "./connection.ts";
import { NodeConnections } from "./connections.ts";
import { createNodeListener } from "./exchange.ts";

/** An HTTP/2 server that never listens. */
export function createNodeHttp2(state: NodeServerState): Http2Server {
  const sessions = new NodeConnections<ServerHttp2Session>(state);
  const listener = createNodeListener(state.handler);
  function take(req: Http2ServerRequest, res: Http2ServerResponse): void {
    listener(req, res, sessions.get(req.stream.session as ServerHttp2Session) as NodeConnection);
  }
  const server = createServer(take).on("checkExpectation", take);
  let draining = false;
  /** The socket of the session that is being made. The session's own view of it throws once the session is destroyed. */
  let accepted: Socket;
  server.on("session", (session) => {
    sessions.add(session, new NodeConnection(accepted, state));
    session.on("close", () => sessions.delete(session));
    if (draining) session.close();
  });
  return {
    accept(socket: Socket): void {
      socket.allowHalfOpen = false; // or node:http2 keeps a socket whose peer has ended
      accepted = socket;
      server.emit("connection", socket);
    },
    async drain(): Promise<void> {
      draining = true;
      const closed = Array.from(sessions, ([session]) => {
        // Not by close's own callback, which is dropped where the session is closing already.
        const close = new Promise((resolve) => session.on("close", resolve));
        session.close();
        return close;
      });
      await Promise.all(closed);
    },
    destroy(): void {
      for (const [session] of sessions) session.destroy();
    },
    get requestsInFlight(): number {
      return sessions.requestsInFlight;
    },
  };
}
