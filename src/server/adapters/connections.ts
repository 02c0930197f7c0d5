/** The connections of servers that are not this project's, each with the limits that an adapter enforces. */
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2Session } from "node:http2";
import { Socket } from "node:net";
import type { HttpContext } from "../http/http-context.ts";
import { type ConnectionSocket, NodeConnection } from "../node-http/connection.ts";
import { NodeConnections } from "../node-http/connections.ts";

export class AdapterConnections {
  readonly #context: HttpContext;
  readonly #connections: NodeConnections<Socket | Http2Session>;

  constructor(context: HttpContext) {
    this.#context = context;
    this.#connections = new NodeConnections(context);
  }

  /** Returns the connection of a request. The connection is created at its first request, and forgotten when it closes. */
  of(req: IncomingMessage | Http2ServerRequest): NodeConnection {
    const key = req.httpVersionMajor === 2 ? (req as Http2ServerRequest).stream.session : req.socket;
    return this.#connections.get(key as Socket) ?? this.#create(key);
  }

  #create(key: Socket | Http2Session | undefined): NodeConnection {
    // A test may pass an object that is not a socket, as Fastify's `inject` does. Such an object never closes.
    if (!isOpen(key)) return new NodeConnection(NO_SOCKET, this.#context);
    const socket = key instanceof Socket ? key : new SessionSocket(key);
    const connection = new NodeConnection(socket, this.#context);
    this.#connections.add(key, connection);
    key.once("close", () => this.#connections.delete(key));
    return connection;
  }
}

/** The socket of an HTTP/2 session, which must not be used directly. Node does not tell how many bytes wait in a session. */
class SessionSocket implements ConnectionSocket {
  readonly #session: Http2Session;
  readonly writableLength = 0;
  readonly bytesWritten = 0;
  readonly encrypted: boolean;

  constructor(session: Http2Session) {
    this.#session = session;
    this.encrypted = session.encrypted === true;
  }

  destroy(): void {
    this.#session.destroy();
  }
}

const NO_SOCKET: ConnectionSocket = { writableLength: 0, bytesWritten: 0, destroy() {} };

function isOpen(key: Socket | Http2Session | undefined): key is Socket | Http2Session {
  return key !== undefined && !key.destroyed && (key instanceof Socket || "goaway" in key);
}
