/** The part of a connection that its streams use. */
import type { DiscardLimit } from "../../http/early-response.ts";
import type { Peer, ResetReason } from "../../http/exchange.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { EarlyStreams } from "./early-streams.ts";
import type { ResponseSender } from "./response-sender.ts";

export interface StreamHost<Stream> {
  readonly peer: Peer;
  readonly responses: ResponseSender;
  readonly bodies: BodyBudget;
  readonly early: EarlyStreams;
  /** Ends a stream with RST_STREAM (5.4.2). */
  reset(stream: Stream, reason: ResetReason): void;
  /** Closes a stream after its response. The request is complete, or `limit` ends the reading of it. */
  requestDiscarded(stream: Stream, limit: DiscardLimit | undefined): void;
  /** Called when a stream ends whose handler is still running, and once more when that handler has stopped. */
  handlerCancelled(): void;
  handlerStopped(): void;
  /** Resets a stream whose callback threw. */
  handlerThrew(stream: Stream, error: unknown): void;
}
