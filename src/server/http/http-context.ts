/** The context that the HTTP servers of one port share, for HTTP/1.1 and HTTP/2. */
import type { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses } from "../limits/queued-responses.ts";
import type { Handler, Peer } from "./exchange.ts";

export interface HttpContext {
  readonly handler: Handler;
  readonly limits: Limits;
  /** The budget for request bytes that are buffered for handlers. */
  readonly buffered: Budget;
  /** Counts the response bytes that wait for clients. */
  readonly queued: QueuedResponses;
  readonly onLimit: OnLimit;
  /** Responds to the exchanges in flight of a connection with an error. `peer` is their `peer`. */
  readonly endExchanges: (peer: Peer) => void;
}
