/** The timeouts of a connection, in ms of `Time.running`. A connection has no timer: `check` is called at intervals. */
import { oldConnectionMessage } from "../../http/limit-messages.ts";
import { ConnectionAge } from "../../limits/connection-age.ts";
import type { Limits } from "../../limits/limits.ts";
import { ReadRate } from "../../limits/read-rate.ts";
import { ConnectionError, ErrorCode } from "../frames/types.ts";
import { LimitError } from "./limit-error.ts";

/**
 * The action that is due: end the connection with an error; close it gracefully, for a reason or for its age; respond to its
 * exchanges with an error; or send PING.
 */
export type DueAction = ConnectionError | { readonly closeFor: string } | "close" | "end-exchanges" | "ping";

/** The facts about a connection that its timeouts depend on. */
export interface TimeoutInputs {
  /** True if the peer has sent SETTINGS, and has acknowledged those of this side. */
  readonly isSettled: boolean;
  /**
   * Time at which the incomplete field block began. Without one, the time at which an incomplete frame other than DATA
   * began. Otherwise -1.
   */
  readonly partialBlockAt: number;
  readonly openStreams: number;
  /** Bytes of DATA that the streams have queued, plus the bytes that the socket holds. */
  readonly queuedBytes: number;
  /** Bytes of field blocks and DATA that have left the socket, as an estimate. */
  readonly sentBytes: number;
  /** True if nothing is read from the peer, because the peer does not read its responses. */
  readonly isPaused: boolean;
}

export class Timeouts {
  readonly #limits: Limits;
  readonly openedAt: number;
  #receivedAt: number;
  #idleAt: number;
  /** Time of the keepalive PING that the peer has not acknowledged, or -1. */
  #pingAt = -1;
  readonly #readRate: ReadRate;
  readonly #age: ConnectionAge;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#readRate = new ReadRate(limits);
    this.#age = new ConnectionAge(limits, now);
    this.openedAt = now;
    this.#receivedAt = now;
    this.#idleAt = now;
  }

  /** Records that bytes were received. Any bytes count as the acknowledgement of PING. */
  received(now: number): void {
    this.#receivedAt = now;
    this.#pingAt = -1;
  }

  /** Records that no stream is open any more. */
  becameIdle(now: number): void {
    this.#idleAt = now;
  }

  /** Checks all timeouts. Returns the first action that is due, or undefined. */
  check(now: number, inputs: TimeoutInputs): DueAction | undefined {
    return (
      this.#checkSettings(now, inputs) ??
      this.#checkBlock(now, inputs) ??
      this.#checkReadRate(now, inputs) ??
      this.#checkAge(now, inputs) ??
      (inputs.openStreams === 0 ? this.#checkIdle(now) : this.#checkKeepalive(now, inputs))
    );
  }

  #checkSettings(now: number, { isSettled }: TimeoutInputs): ConnectionError | undefined {
    const { settingsMs } = this.#limits;
    if (isSettled || now - this.openedAt <= settingsMs) return undefined;
    const message = `SETTINGS and its acknowledgement took over ${settingsMs} ms`;
    return new LimitError(ErrorCode.SettingsTimeout, message, "settingsMs");
  }

  #checkBlock(now: number, { isPaused, partialBlockAt }: TimeoutInputs): ConnectionError | undefined {
    const { headersMs } = this.#limits;
    if (isPaused || partialBlockAt < 0 || now - partialBlockAt <= headersMs) return undefined;
    return new LimitError(ErrorCode.EnhanceYourCalm, `field block took over ${headersMs} ms`, "headersMs");
  }

  #checkReadRate(now: number, { queuedBytes, sentBytes }: TimeoutInputs): ConnectionError | undefined {
    const tooSlow = this.#readRate.check(now, queuedBytes, sentBytes);
    if (tooSlow === undefined) return undefined;
    return new LimitError(ErrorCode.EnhanceYourCalm, tooSlow, "readBytesPerSecond");
  }

  #checkAge(now: number, { openStreams }: TimeoutInputs): DueAction | undefined {
    const due = this.#age.check(now, openStreams > 0);
    return due === "cut" ? new ConnectionError(ErrorCode.NoError, oldConnectionMessage(this.#limits)) : due;
  }

  #checkIdle(now: number): DueAction | undefined {
    const { idleMs } = this.#limits;
    if (now - this.#idleAt <= idleMs) return undefined;
    return { closeFor: `no stream for over ${idleMs} ms` };
  }

  #checkKeepalive(now: number, { isPaused }: TimeoutInputs): DueAction | undefined {
    const { keepaliveMs, pingTimeoutMs } = this.#limits;
    if (isPaused) return undefined;
    if (this.#pingAt < 0) {
      if (now - this.#receivedAt <= keepaliveMs) return undefined;
      this.#pingAt = now;
      return "ping";
    }
    if (now - this.#pingAt <= pingTimeoutMs) return undefined;
    return new LimitError(ErrorCode.NoError, `PING was not answered in ${pingTimeoutMs} ms`, "pingTimeoutMs");
  }
}
