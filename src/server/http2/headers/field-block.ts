/**
 * A field block that comes in more than one frame: HEADERS, then CONTINUATION up to END_HEADERS (RFC 9113, 4.3 and
 * 6.10).
 */

import type { Limits } from "../../limits/limits.ts";
import { ConnectionError, ErrorCode } from "../frames/types.ts";

export class FieldBlock {
  readonly streamId: number;
  /** The flags of its HEADERS. */
  readonly flags: number;
  /** ms of the connection's time. */
  readonly startedAt: number;
  readonly #limits: Limits;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, flags: number, now: number, limits: Limits) {
    this.streamId = streamId;
    this.flags = flags;
    this.startedAt = now;
    this.#limits = limits;
  }

  /** Adds a frame's part. A block without end would cost without bound, so frames and bytes have one (10.5.1). */
  add(part: Buffer): void {
    this.#bytes += part.length;
    const { headerBlockBytes, continuationFrames } = this.#limits;
    if (this.#bytes > headerBlockBytes) {
      const message = `field block exceeds ${headerBlockBytes} bytes`;
      throw new ConnectionError(ErrorCode.EnhanceYourCalm, message, "headerBlockBytes");
    }
    if (this.#parts.length > continuationFrames) {
      const message = `field block exceeds ${continuationFrames} CONTINUATION frames`;
      throw new ConnectionError(ErrorCode.EnhanceYourCalm, message, "continuationFrames");
    }
    this.#parts.push(Buffer.from(part));
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
