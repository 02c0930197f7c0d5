/** How a connection takes its leave without losing a stream (RFC 9113, 6.8). */

import { ErrorCode, MAX_UINT31 } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";

/** The opaque data of the PING that follows the first GOAWAY. */
const FAREWELL = Buffer.from("farewell", "latin1");

/**
 * A first GOAWAY with the highest identifier, then a PING: when its answer is here, so is every stream that the peer
 * began before it knew. A second GOAWAY then names the last one, and those that come later are refused.
 */
export class Departure {
  readonly #writer: FrameWriter;
  #reason = "";
  /** ms of the connection's time; -1 before. */
  #begunAt = -1;
  /** Whether the last stream is named, and it is. */
  final = false;
  lastStreamId = MAX_UINT31;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  get begun(): boolean {
    return this.#begunAt >= 0;
  }

  begin(reason: string, now: number): void {
    if (this.begun) return;
    this.#begunAt = now;
    this.#reason = reason;
    this.#writer.writeGoaway(MAX_UINT31, ErrorCode.NoError, reason);
    this.#writer.writePing(FAREWELL, 0);
  }

  /** Takes a PING's answer; lastId is the last stream begun. */
  answered(opaque: Buffer, lastId: number): void {
    if (this.begun && FAREWELL.equals(opaque)) this.finish(lastId);
  }

  /** ms since the PING, while its answer is waited for. */
  waited(now: number): number {
    return this.begun && !this.final ? now - this.#begunAt : 0;
  }

  finish(lastId: number): void {
    if (this.final) return;
    this.final = true;
    this.lastStreamId = lastId;
    this.#writer.writeGoaway(lastId, ErrorCode.NoError, this.#reason);
  }
}
