/** The part of a connection that a stream uses. */
import type { Peer } from "../../http/exchange.ts";
import type { Sender } from "../common/sender.ts";
import type { ErrorCode } from "../frames/types.ts";
import type { EarlyHost, EarlyStreams } from "./early-streams.ts";
import type { Stream } from "./stream.ts";

export interface StreamHost extends EarlyHost {
  readonly peer: Peer;
  readonly sender: Sender;
  readonly early: EarlyStreams;
  /** Takes room for bytes of bodies; false where there is none. */
  hold(bytes: number): boolean;
  release(bytes: number): void;
  /** Ends the stream with RST_STREAM (5.4.2). */
  reset(stream: Stream, code: ErrorCode): void;
  /** A stream is gone whose handler still runs; and that handler has stopped. */
  orphaned(): void;
  stopped(): void;
}
