/**
 * Limits how often a peer may send frames that cause work but carry no request: control frames and resets (RFC 9113,
 * 10.5).
 */
import type { Limits } from "../../limits/limits.ts";
import { ErrorCode } from "../frames/types.ts";
import { LimitError } from "./limit-error.ts";
import type { Time } from "./time.ts";
import { TokenBucket } from "./token-bucket.ts";

export class FloodControl {
  readonly #limits: Limits;
  readonly #time: Time;
  readonly #control: TokenBucket;
  readonly #resets: TokenBucket;

  constructor(limits: Limits, time: Time) {
    this.#limits = limits;
    this.#time = time;
    this.#control = new TokenBucket(limits.controlFramesPerSecond, time.now);
    this.#resets = new TokenBucket(limits.resetsPerSecond, time.now);
  }

  /** Counts a control frame. Throws LimitError if the peer sends too many. */
  countControlFrame(): void {
    if (this.#control.take(this.#time.now)) return;
    const message = `control frames exceed ${this.#limits.controlFramesPerSecond} per second`;
    throw new LimitError(ErrorCode.EnhanceYourCalm, message, "controlFramesPerSecond");
  }

  /**
   * Counts RST_STREAM from the peer, or RST_STREAM that this side sent for an error of the peer. Throws LimitError if
   * there are too many of them.
   */
  countReset(): void {
    if (this.#resets.take(this.#time.now)) return;
    const message = `reset streams exceed ${this.#limits.resetsPerSecond} per second`;
    throw new LimitError(ErrorCode.EnhanceYourCalm, message, "resetsPerSecond");
  }

  /**
   * Raises by `frames` the number of control frames that the peer may send. Peers respond to DATA of this side with
   * WINDOW_UPDATE for both windows, and some also send PING.
   */
  allowControlFrames(frames: number): void {
    this.#control.add(frames);
  }
}
