/**
 * What frames cost that ask for work and bring none (RFC 9113, 10.5): so many per second, and over it the connection
 * ends.
 */

import type { LimitName, Limits } from "../../limits/limits.ts";
import { ErrorCode } from "../frames/types.ts";
import type { Time } from "./clock.ts";
import { LimitError } from "./limit-error.ts";
import { Rate } from "./token-bucket.ts";

export class Tolls {
  readonly #limits: Limits;
  readonly #time: Time;
  readonly #control: Rate;
  readonly #resets: Rate;

  constructor(limits: Limits, time: Time) {
    this.#limits = limits;
    this.#time = time;
    this.#control = new Rate(limits.controlFramesPerSecond, time.now);
    this.#resets = new Rate(limits.resetsPerSecond, time.now);
  }

  /** Counts a control frame. */
  control(): void {
    if (this.#control.spend(this.#time.now)) return;
    throw calm("controlFramesPerSecond", `control frames exceed ${this.#limits.controlFramesPerSecond} per second`);
  }

  /** Counts a stream that was reset, by the peer or for its error. */
  reset(): void {
    if (this.#resets.spend(this.#time.now)) return;
    throw calm("resetsPerSecond", `reset streams exceed ${this.#limits.resetsPerSecond} per second`);
  }

  /** Allows control frames for what was sent: a peer answers DATA with updates of two windows, perhaps with a PING. */
  earn(frames: number): void {
    this.#control.earn(frames);
  }
}

function calm(limit: LimitName, message: string): LimitError {
  return new LimitError(ErrorCode.EnhanceYourCalm, message, limit);
}
