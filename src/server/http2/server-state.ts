/** What all connections of one server share. */

import type { Handler } from "../http/exchange.ts";
import { Budget } from "../limits/budget.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { QueuedResponses } from "../limits/queued-responses.ts";
import { Time } from "./common/clock.ts";
import { MAX_UINT31 } from "./frames/types.ts";
import { BufferPool } from "./frames/writer.ts";
import { ResponseEncoder } from "./headers/response-encoder.ts";
import { EarlyStreams } from "./streams/early-streams.ts";

export interface Http2Options {
  readonly handler: Handler;
  readonly limits: Limits;
  /** Bytes of bodies that may be held for handlers. */
  readonly buffered: Budget;
  /** Response bytes that wait for clients. */
  readonly queued: QueuedResponses;
  /** Told of errors that are no peer's: a handler's that threw, or the server's own. */
  readonly onError: (error: unknown) => void;
  readonly onLimit: OnLimit;
}

export class ServerState {
  readonly handler: Handler;
  readonly limits: Limits;
  readonly onError: (error: unknown) => void;
  readonly onLimit: OnLimit;
  readonly time = new Time();
  readonly heads = new ResponseEncoder();
  readonly buffers = new BufferPool();
  readonly buffered: Budget;
  readonly early: EarlyStreams;
  readonly queued: QueuedResponses;
  /** Handlers still running for callers that are gone. */
  readonly abandoned: Budget;

  constructor({ handler, limits, buffered, queued, onError, onLimit }: Http2Options) {
    this.handler = handler;
    this.limits = {
      ...limits,
      // A window has no more bits (6.9.1), also where its limit is off.
      streamWindowBytes: Math.min(limits.streamWindowBytes, MAX_UINT31),
      connectionWindowBytes: Math.min(limits.connectionWindowBytes, MAX_UINT31),
    };
    this.onError = onError;
    this.onLimit = onLimit;
    this.buffered = buffered;
    this.early = new EarlyStreams(this.limits, this.time);
    this.queued = queued;
    this.abandoned = new Budget(limits.cancelledHandlers);
  }
}
