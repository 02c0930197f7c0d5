/** A field block that is split into HEADERS and CONTINUATION frames (RFC 9113, 4.3 and 6.10). */
import type { Limits } from "../../limits/limits.ts";
import { ErrorCode } from "../frames/types.ts";
import { LimitError } from "./limit-error.ts";

export class FieldBlock {
  readonly streamId: number;
  /** The flags of the HEADERS frame, and those that `StreamFrames` adds. */
  readonly flags: number;
  /** Time of the HEADERS frame, in ms of `Time.running`. */
  readonly startedAt: number;
  readonly #limits: Limits;
  readonly #fragments: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, flags: number, now: number, limits: Limits) {
    this.streamId = streamId;
    this.flags = flags;
    this.startedAt = now;
    this.#limits = limits;
  }

  /** Adds a copy of a frame's fragment. Throws LimitError if the block has too many bytes or frames (10.5.1). */
  add(fragment: Buffer): void {
    this.#bytes += fragment.length;
    const { headerBlockBytes, continuationFrames } = this.#limits;
    if (this.#bytes > headerBlockBytes) {
      const message = `field block exceeds ${headerBlockBytes} bytes`;
      throw new LimitError(ErrorCode.EnhanceYourCalm, message, "headerBlockBytes");
    }
    if (this.#fragments.length > continuationFrames) {
      const message = `field block exceeds ${continuationFrames} CONTINUATION frames`;
      throw new LimitError(ErrorCode.EnhanceYourCalm, message, "continuationFrames");
    }
    this.#fragments.push(Buffer.from(fragment));
  }

  /** Returns a copy of the complete block. */
  toBuffer(): Buffer {
    return Buffer.concat(this.#fragments);
  }
}
