/** HTTP/2 by node:http2, which enforces fewer limits than this project's own implementation. */
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  Http2Server as NodeServer,
  ServerHttp2Session,
} from "node:http2";
import type { Socket } from "node:net";
import type { HttpContext } from "../http/http-context.ts";
import type { Http2Server } from "../http/http2-server.ts";
import { MAX_AGE } from "../limits/connection-age.ts";
import { NodeConnection } from "./connection.ts";
import { NodeConnections } from "./connections.ts";
import { createNodeListener, type NodeListener } from "./node-listener.ts";

export class NodeHttp2Server implements Http2Server {
  readonly #context: HttpContext;
  readonly #server: NodeServer;
  readonly #sessions: NodeConnections<ServerHttp2Session>;
  readonly #listener: NodeListener;
  #isDraining = false;
  /** The socket of the session that is being created. `session.socket` would throw after the session's end. */
  #accepted: Socket | undefined;

  constructor(context: HttpContext) {
    this.#context = context;
    this.#sessions = new NodeConnections(context, closeForAge);
    this.#listener = createNodeListener(context.handler);
    const onRequest = (req: Http2ServerRequest, res: Http2ServerResponse): void => this.#onRequest(req, res);
    const { createServer } = process.getBuiltinModule("node:http2");
    this.#server = createServer(onRequest).on("checkExpectation", onRequest);
    this.#server.on("session", (session) => this.#onSession(session));
    // Without these listeners, Node would throw if the stream of such a request has just ended.
    this.#server.on("checkContinue", (req, res) => {
      if (!req.stream.destroyed) res.writeContinue();
      onRequest(req, res);
    });
    this.#server.on("connect", (req: Http2ServerRequest, res: Http2ServerResponse) => {
      if (!req.stream.destroyed) res.writeHead(405).end();
    });
  }

  get connections(): number {
    return this.#sessions.size;
  }

  get requestsInFlight(): number {
    return this.#sessions.requestsInFlight;
  }

  accept(socket: Socket): void {
    socket.allowHalfOpen = false; // otherwise node:http2 keeps a socket after the client has ended it
    this.#accepted = socket;
    this.#server.emit("connection", socket);
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    const closed = Array.from(this.#sessions, ([session]) => {
      // Waits for the event, because `session.close` does not call its callback if the session is closing already.
      const close = new Promise((resolve) => session.on("close", resolve));
      session.close();
      return close;
    });
    await Promise.all(closed);
  }

  destroy(): void {
    for (const [session, connection] of this.#sessions) {
      session.destroy();
      connection.destroy(); // a session that is closing would wait for the client to close its side
    }
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session, new NodeConnection(this.#accepted as Socket, this.#context));
    session.on("close", () => this.#sessions.delete(session));
    if (this.#isDraining) session.close();
  }

  #onRequest(req: Http2ServerRequest, res: Http2ServerResponse): void {
    const connection = this.#sessions.get(req.stream.session as ServerHttp2Session);
    // Node may emit a request whose stream or session has just ended.
    if (connection !== undefined && !req.stream.destroyed) this.#listener(req, res, connection);
  }
}

/** Closes a session as a drain does. Node refuses streams that are on their way, so that clients can retry them. */
function closeForAge(session: ServerHttp2Session): void {
  session.goaway(0, 2 ** 31 - 1, Buffer.from(MAX_AGE));
  session.close();
}
