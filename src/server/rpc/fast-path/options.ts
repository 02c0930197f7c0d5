/** The options of the fast path, and the handlers that it leaves other calls to. */
import type { Exchange } from "../../http/exchange.ts";
import type { Budget } from "../../limits/budget.ts";
import type { ErrorMapper } from "../error-mapper.ts";
import type { Observation, Observations } from "../observation.ts";
import type { RpcOptions } from "../options.ts";
import type { FastPathCall } from "./call.ts";
import type { StreamMethod, UnaryMethod } from "./methods.ts";

/**
 * Connect's handlers, as the fast path calls them. `passed` is the call on the fast path if its request gate has passed
 * there, or undefined if the gate has not run. `observation` is that of a call whose observation has begun.
 */
export interface Fallback {
  /** Handles an exchange whose body was not read. */
  handle(exchange: Exchange, passed?: FastPathCall, observation?: Observation): void;
  /** Handles an exchange whose whole body is `body`. */
  handleBuffered(exchange: Exchange, body: Uint8Array, passed?: FastPathCall, observation?: Observation): void;
  /** Handles an exchange whose body is too large to be buffered. `exchange.body` still yields all bytes. */
  handleLarge(exchange: Exchange, passed?: FastPathCall, observation?: Observation): void;
  /** Logs that a response could not be sent, and resets the exchange. */
  onResponseFailed(exchange: Exchange, error: unknown): void;
}

export interface FastPathOptions extends Pick<RpcOptions, "isExempt" | "deadlineMs" | "cutSignal" | "connectionCuts"> {
  /** The methods that the fast path may run, by path. */
  readonly methods: ReadonlyMap<string, UnaryMethod | StreamMethod>;
  /**
   * Counts running handlers. While this budget is full, calls are left to Connect's handlers, which reject all but
   * exempt calls.
   */
  readonly inFlight: Budget;
  readonly errors: ErrorMapper;
  readonly fallback: Fallback;
  /** Observes the calls. Undefined if nothing does. */
  readonly observations: Observations | undefined;
}
