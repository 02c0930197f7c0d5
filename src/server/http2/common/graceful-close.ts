/** Graceful close: GOAWAY, PING, GOAWAY, so that no stream is lost (RFC 9113, 6.8). */
import { ErrorCode, MAX_UINT31 } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import type { ConnectionState } from "./connection-state.ts";

/** The opaque data of the PING that follows the first GOAWAY. */
const OPAQUE_DATA = Buffer.from("farewell", "latin1");

/**
 * Sends a first GOAWAY with the highest possible identifier, and a PING. The acknowledgement of the PING arrives after
 * all streams that the peer opened before it received GOAWAY. The second GOAWAY then names the highest of these
 * streams, and streams above it are refused.
 */
export class GracefulClose {
  readonly #writer: FrameWriter;
  readonly #state: ConnectionState;
  #reason = "";
  /** Time of the first GOAWAY in ms, or -1 before it. */
  #begunAt = -1;
  #isFinal = false;
  #lastStreamId = MAX_UINT31;

  constructor(writer: FrameWriter, state: ConnectionState) {
    this.#writer = writer;
    this.#state = state;
  }

  /** True if the second GOAWAY was sent. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** The highest stream identifier that is still served. */
  get lastStreamId(): number {
    return this.#lastStreamId;
  }

  /** Sends the first GOAWAY and PING. Does nothing if they were sent before. */
  begin(reason: string, now: number): void {
    if (this.#begunAt >= 0) return;
    this.#begunAt = now;
    this.#reason = reason;
    this.#state.sendGoaway();
    this.#writer.writeGoaway(MAX_UINT31, ErrorCode.NoError, reason);
    this.#writer.writePing(OPAQUE_DATA, 0);
  }

  /**
   * Handles the acknowledgement of any PING. Sends the second GOAWAY if the PING is that of the graceful close.
   * `lastId` is the highest stream identifier that the peer has used.
   */
  receivePingAck(opaque: Buffer, lastId: number): void {
    if (this.#begunAt >= 0 && OPAQUE_DATA.equals(opaque)) this.finish(lastId);
  }

  /** Returns the ms since the PING was sent, or 0 if its acknowledgement is not awaited. */
  waitedMs(now: number): number {
    return this.#begunAt >= 0 && !this.#isFinal ? now - this.#begunAt : 0;
  }

  /** Sends the second GOAWAY, which names `lastId`. Does nothing if it was sent before. */
  finish(lastId: number): void {
    if (this.#isFinal) return;
    this.#isFinal = true;
    this.#lastStreamId = lastId;
    this.#writer.writeGoaway(lastId, ErrorCode.NoError, this.#reason);
  }
}
