/** What of a connection may take how long. They run only when they are looked at. */
import { ConnectionError, ErrorCode } from "./frames.ts";
import type { Limits } from "./limits.ts";

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
  readonly #openedAt: number;
  #heardAt: number;
  #idleAt: number;
  #pingAt = -1;
  #readAt = -1;
  #readFrom = 0;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#openedAt = now;
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
    if (settled || now - this.#openedAt <= settingsMs) return undefined;
    return new ConnectionError(
      ErrorCode.SettingsTimeout,
      `SETTINGS and its acknowledgement took over ${settingsMs} ms`,
    );
  }

  #block(now: number, { paused, blockBegunAt }: Standing): ConnectionError | undefined {
    const { headerBlockMs } = this.#limits;
    if (paused || blockBegunAt < 0 || now - blockBegunAt <= headerBlockMs) return undefined;
    return new ConnectionError(ErrorCode.EnhanceYourCalm, `field block took over ${headerBlockMs} ms`);
  }

  /** Of what waits, the peer takes some in every stretch of time. */
  #reading(now: number, { waitingBytes, takenBytes }: Standing): ConnectionError | undefined {
    const { readBytesPerSecond, readRateMs } = this.#limits;
    if (waitingBytes === 0 || this.#readAt < 0) {
      this.#readAt = waitingBytes === 0 ? -1 : now;
      this.#readFrom = takenBytes;
      return undefined;
    }
    const ms = now - this.#readAt;
    if (ms < readRateMs) return undefined;
    const rate = ((takenBytes - this.#readFrom) / ms) * 1000;
    this.#readAt = now;
    this.#readFrom = takenBytes;
    if (rate >= readBytesPerSecond) return undefined;
    return new ConnectionError(
      ErrorCode.EnhanceYourCalm,
      `answers are read at ${Math.floor(rate)} bytes per second, below ${readBytesPerSecond}`,
    );
  }

  #idling(now: number): Due | undefined {
    const { idleMs } = this.#limits;
    if (now - this.#idleAt <= idleMs) return undefined;
    return { leave: `no stream for over ${idleMs} ms` };
  }

  #silence(now: number, { paused }: Standing): Due | undefined {
    const { keepaliveMs, pingAnswerMs } = this.#limits;
    if (paused) return undefined;
    if (this.#pingAt < 0) {
      if (now - this.#heardAt <= keepaliveMs) return undefined;
      this.#pingAt = now;
      return "ping";
    }
    if (now - this.#pingAt <= pingAnswerMs) return undefined;
    return new ConnectionError(ErrorCode.NoError, `PING was not answered in ${pingAnswerMs} ms`);
  }
}
