/** The context that the HTTP servers of one port share, for HTTP/1.1 and HTTP/2. */
import type { Socket } from "node:net";
import type { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses } from "../limits/queued-responses.ts";
import type { ConnectionPeer, Handler, Peer } from "./exchange.ts";

export interface HttpContext {
  readonly handler: Handler;
  readonly limits: Limits;
  /** The budget for request bytes that are buffered for handlers. */
  readonly buffered: Budget;
  /** Counts the response bytes that wait for clients. */
  readonly queued: QueuedResponses;
  readonly onLimit: OnLimit;
  /** Returns the peer of a new connection. If undefined, it is the other side of the socket. */
  readonly peerOf?: ((socket: Socket) => ConnectionPeer) | undefined;
  /** Responds to the exchanges in flight of a connection with an error. `peer` is that of the connection. */
  readonly endExchanges: (peer: Peer) => void;
}
