/** The part of a connection that a stream uses. */
import type { DiscardLimit } from "../../http/early-response.ts";
import type { ConnectionPeer, ResetReason } from "../../http/exchange.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { EarlyStreams } from "./early-streams.ts";
import type { ResponseSender } from "./response-sender.ts";

export interface StreamHost<Stream> {
  readonly peer: ConnectionPeer;
  /** `Time.exactNow`. */
  readonly exactNow: number;
  readonly responses: ResponseSender;
  readonly bodies: BodyBudget;
  readonly early: EarlyStreams;
  /** Ends a stream with RST_STREAM (RFC 9113, 5.4.2). */
  reset(stream: Stream, reason: ResetReason): void;
  /** Closes a stream after its response, because the request is complete or has exceeded `limit`. */
  requestDiscarded(stream: Stream, limit: DiscardLimit | undefined): void;
  /** Called when a stream is cancelled while its handler is running. */
  handlerCancelled(): void;
  /** Called once for each call of `handlerCancelled`, when that handler has stopped. */
  handlerStopped(): void;
  /** Reports the error of a stream's callback, and resets the stream. */
  handlerThrew(stream: Stream, error: unknown): void;
}
