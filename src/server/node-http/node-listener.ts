/** The listener for the requests of a Node server, which calls a handler with exchanges. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Handler } from "../http/exchange.ts";
import type { NodeConnection } from "./connection.ts";
import { NodeExchange } from "./exchange.ts";
import { NodeRequestHeads } from "./request-head.ts";

/** Calls the handler with the exchange of a request, which was received on `connection`. */
export type NodeListener = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
  connection: NodeConnection,
) => void;

/** Returns the listener for the requests of one server. */
export function createNodeListener(handler: Handler): NodeListener {
  const heads = new NodeRequestHeads();
  return (request, response, connection) => {
    // Node's HTTP/2 objects have all methods of the HTTP/1.1 objects that are used here.
    const req = request as IncomingMessage;
    handler(new NodeExchange(heads.of(req, connection.isSecure), req, response as ServerResponse, connection));
  };
}
