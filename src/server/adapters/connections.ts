/** The connections of servers that are not this project's, each with the limits that an adapter enforces. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse, Http2Session } from "node:http2";
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
  of(req: IncomingMessage, res: ServerResponse): NodeConnection {
    const { stream } = res as { stream?: Http2ServerResponse["stream"] };
    const key = stream === undefined ? req.socket : stream.session;
    return this.#connections.get(key as Socket) ?? this.#create(key, res);
  }

  #create(key: Socket | Http2Session | undefined, res: ServerResponse): NodeConnection {
    // A test may pass an object that is not a socket, as Fastify's `inject` does. Such an object never closes.
    if (!isOpen(key)) return new NodeConnection({ destroy: () => res.destroy() }, this.#context);
    const connection = new NodeConnection(key instanceof Socket ? key : new SessionSocket(key), this.#context);
    this.#connections.add(key, connection);
    key.once("close", () => this.#connections.delete(key));
    return connection;
  }
}

/** The socket of an HTTP/2 session, which Node does not allow to be used directly. */
class SessionSocket implements ConnectionSocket {
  readonly encrypted: boolean;
  readonly #session: Http2Session;

  constructor(session: Http2Session) {
    this.encrypted = session.encrypted === true;
    this.#session = session;
  }

  destroy(): void {
    this.#session.destroy();
  }
}

function isOpen(key: Socket | Http2Session | undefined): key is Socket | Http2Session {
  return key !== undefined && !key.destroyed && (key instanceof Socket || "goaway" in key);
}
