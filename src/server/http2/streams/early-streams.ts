/** Streams whose response is complete before their request (RFC 9113, 8.1), and the times at which they are checked. */
import { type DiscardLimit, EarlyResponse } from "../../http/early-response.ts";
import type { Limits } from "../../limits/limits.ts";
import type { ReceiveWindow } from "../common/flow-control.ts";
import type { Time } from "../common/time.ts";

/** The stream of an early response. */
export interface EarlyStreamOwner {
  /** True if the request is not complete. */
  readonly isRemoteOpen: boolean;
  readonly receiveWindow: ReceiveWindow | undefined;
  /** Called once after the response was sent, when the request is complete or has exceeded `limit`. */
  requestDiscarded(limit: DiscardLimit | undefined): void;
}

/** The early response of a stream, from its completion to the end of the stream. */
export class EarlyStream {
  readonly #owner: EarlyStreamOwner;
  readonly #all: EarlyStreams;
  readonly #response: EarlyResponse;
  /** Sends the response that is held. Undefined if none is held. */
  #send: (() => void) | undefined;
  /** Time of the next check, in ms of `Time.running`. */
  checkAt = 0;

  /** Calls `send` once, when the held response must be sent. Without `send`, no response is held. */
  constructor(owner: EarlyStreamOwner, all: EarlyStreams, send?: () => void) {
    this.#owner = owner;
    this.#all = all;
    this.#response = new EarlyResponse(all.limits, all.time.running);
    this.#send = send;
    all.add(this);
  }

  get isSent(): boolean {
    return this.#response.isSent;
  }

  /**
   * Counts received bytes of the request, which are discarded. If the request is complete, sends the held response.
   * Closes the stream instead if the response was sent before.
   */
  receive(bytes: number): void {
    this.#response.received(bytes, this.#all.time.running);
    if (this.#owner.isRemoteOpen) {
      this.#owner.receiveWindow?.release(bytes);
      this.check();
    } else if (this.#send !== undefined) this.#sendNow();
    else if (this.isSent) this.#owner.requestDiscarded(undefined);
  }

  /**
   * Sends the held response if it must not wait any longer. After the response was sent, calls `requestDiscarded` if
   * the request exceeds a limit.
   */
  check(): void {
    const { running: now } = this.#all.time;
    if (this.isSent) {
      const limit = this.#response.exceededLimit(now);
      if (limit !== undefined) this.#owner.requestDiscarded(limit);
    } else if (this.#send !== undefined && this.#response.isDue(now)) this.#sendNow();
  }

  #sendNow(): void {
    const send = this.#send;
    this.close();
    send?.();
  }

  /** Records that the whole response was sent. From now on, the limits on the rest of the request are checked. */
  responseSent(): void {
    this.#send = undefined;
    this.#response.sent(this.#all.time.running);
    this.#all.add(this);
  }

  /** Stops the checks, because the stream ends or sends its response. */
  close(): void {
    this.#send = undefined;
    this.#all.delete(this);
  }
}

/** The early streams of all connections of a server. Checking them alone is cheaper than checking all connections. */
export class EarlyStreams {
  readonly limits: Limits;
  readonly time: Time;
  /** False while the server drains: responses are then sent immediately. */
  holdsResponses = true;
  /**
   * Called when a stream is added while `isEmpty`. From then on, `check` must be called at intervals until `isEmpty`.
   */
  onFirst = (): void => {};
  /** Streams whose response was not sent, in the order of `checkAt`: each is checked after the same delay. */
  readonly #waiting = new Set<EarlyStream>();
  /** Streams whose response was sent, in the order of `checkAt`: each is checked after the same delay. */
  readonly #sent = new Set<EarlyStream>();

  constructor(limits: Limits, time: Time) {
    this.limits = limits;
    this.time = time;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0 && this.#sent.size === 0;
  }

  /** Adds a stream, or moves it to the end of its set. Schedules its next check. */
  add(early: EarlyStream): void {
    const { earlyResponseMs, earlyResponseIdleMs, discardIdleMs } = this.limits;
    const wasEmpty = this.isEmpty;
    this.delete(early);
    early.checkAt = this.time.running + (early.isSent ? discardIdleMs : Math.min(earlyResponseMs, earlyResponseIdleMs));
    (early.isSent ? this.#sent : this.#waiting).add(early);
    if (wasEmpty) this.onFirst();
  }

  delete(early: EarlyStream): void {
    this.#waiting.delete(early);
    this.#sent.delete(early);
  }

  /** Checks the streams that are due. */
  check(): void {
    for (const set of [this.#waiting, this.#sent]) {
      for (const early of set) {
        if (early.checkAt > this.time.running) break;
        early.check();
        if (set.has(early)) this.add(early);
      }
    }
  }
}
