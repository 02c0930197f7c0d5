/** What of a connection may take how long. They run only when they are looked at. */

import type { Limits } from "../../limits/limits.ts";
import { ReadRate } from "../../limits/read-rate.ts";
import { type ConnectionError, ErrorCode } from "../frames/types.ts";
import { LimitError } from "./limit-error.ts";

/** What is due: the end, for a reason; a leave-taking, for one; or a question to the peer whether it is there. */
export type Due = ConnectionError | { readonly leave: string } | "ping";

/** How a connection stands, as its clocks see it. */
export interface Standing {
  /** The client's preface and SETTINGS came, and it acknowledged ours. */
  readonly settled: boolean;
  /** When the field block, or the frame other than DATA, began that is not whole; -1 where there is none. */
  readonly blockBegunAt: number;
  readonly openStreams: number;
  /** Bytes that wait for the peer, and bytes that it took so far. */
  readonly waitingBytes: number;
  readonly takenBytes: number;
  /** Nothing is read from the peer, since it does not take what is sent. */
  readonly paused: boolean;
}

export class Clocks {
  readonly #limits: Limits;
  readonly openedAt: number;
  #heardAt: number;
  #idleAt: number;
  #pingAt = -1;
  readonly #readRate: ReadRate;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#readRate = new ReadRate(limits);
    this.openedAt = now;
    this.#heardAt = now;
    this.#idleAt = now;
  }

  /** Bytes came. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#pingAt = -1;
  }

  /** The last stream is gone. */
  idle(now: number): void {
    this.#idleAt = now;
  }

  /** Looks at all of them. */
  look(now: number, standing: Standing): Due | undefined {
    return (
      this.#beginning(now, standing) ??
      this.#block(now, standing) ??
      this.#reading(now, standing) ??
      (standing.openStreams === 0 ? this.#idling(now) : this.#silence(now, standing))
    );
  }

  #beginning(now: number, { settled }: Standing): ConnectionError | undefined {
    const { settingsMs } = this.#limits;
    if (settled || now - this.openedAt <= settingsMs) return undefined;
    const message = `SETTINGS and its acknowledgement took over ${settingsMs} ms`;
    return new LimitError(ErrorCode.SettingsTimeout, message, "settingsMs");
  }

  #block(now: number, { paused, blockBegunAt }: Standing): ConnectionError | undefined {
    const { headersMs } = this.#limits;
    if (paused || blockBegunAt < 0 || now - blockBegunAt <= headersMs) return undefined;
    return new LimitError(ErrorCode.EnhanceYourCalm, `field block took over ${headersMs} ms`, "headersMs");
  }

  #reading(now: number, { waitingBytes, takenBytes }: Standing): ConnectionError | undefined {
    const tooSlow = this.#readRate.check(now, waitingBytes, takenBytes);
    if (tooSlow === undefined) return undefined;
    return new LimitError(ErrorCode.EnhanceYourCalm, tooSlow, "readBytesPerSecond");
  }

  #idling(now: number): Due | undefined {
    const { idleMs } = this.#limits;
    if (now - this.#idleAt <= idleMs) return undefined;
    return { leave: `no stream for over ${idleMs} ms` };
  }

  #silence(now: number, { paused }: Standing): Due | undefined {
    const { keepaliveMs, pingTimeoutMs } = this.#limits;
    if (paused) return undefined;
    if (this.#pingAt < 0) {
      if (now - this.#heardAt <= keepaliveMs) return undefined;
      this.#pingAt = now;
      return "ping";
    }
    if (now - this.#pingAt <= pingTimeoutMs) return undefined;
    return new LimitError(ErrorCode.NoError, `PING was not answered in ${pingTimeoutMs} ms`, "pingTimeoutMs");
  }
}
