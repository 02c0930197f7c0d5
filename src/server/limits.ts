/** The one table of limits: what a peer may cost, over every HTTP version. */
import { DEFAULT_LIMITS as HTTP2_LIMITS, type Limits as Http2Limits } from "./http2/limits.ts";

export interface Limits extends Http2Limits {
  /** Bytes of a message that a caller sends, before and after decompression; over it the call is `resource_exhausted`. */
  readonly messageBytes: number;
  /** Bytes of an HTTP/1.1 request that are read and thrown away after its answer; over it the connection is cut. */
  readonly discardedBytes: number;
}

/** Infinity turns a limit off. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  ...HTTP2_LIMITS,
  messageBytes: 65_536,
  discardedBytes: 4_194_304,
});
