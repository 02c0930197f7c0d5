/** What all connections of one server share. */
import type { Handler } from "../exchange.ts";
import { Budget } from "./budgets.ts";
import { WriteBuffers } from "./frame-writer.ts";
import type { Limits } from "./limits.ts";
import { ResponseHeads } from "./response-head.ts";
import { Time } from "./time.ts";

export class ServerState {
  readonly handler: Handler;
  readonly limits: Limits;
  /** Told of an error that is no peer's: a handler's that threw, or this folder's own. */
  readonly onError: (error: unknown) => void;
  readonly time = new Time();
  readonly heads = new ResponseHeads();
  readonly buffers = new WriteBuffers();
  /** Bytes of bodies held. */
  readonly gathered: Budget;
  /** Handlers still running for callers that are gone. */
  readonly abandoned: Budget;

  constructor(handler: Handler, limits: Limits, onError: (error: unknown) => void) {
    this.handler = handler;
    this.limits = limits;
    this.onError = onError;
    this.gathered = new Budget(limits.gatheredBytes);
    this.abandoned = new Budget(limits.abandonedHandlers);
  }
}
