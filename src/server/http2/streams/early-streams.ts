/** Streams whose response is complete before their request (RFC 9113, 8.1), and when each is to be looked at. */
import { type DiscardLimit, EarlyResponse } from "../../http/early-response.ts";
import type { Limits } from "../../limits/limits.ts";
import type { Time } from "../common/clock.ts";
import type { Stream } from "./stream.ts";

/** The part of a connection that an early stream uses. */
export interface EarlyHost {
  /** Lets the peer send this many bytes more. */
  credit(stream: Stream, bytes: number): void;
  /** Ends a stream whose request is complete too, or is not read any longer. */
  discarded(stream: Stream, why: DiscardLimit | undefined): void;
  /** The response cannot be sent. */
  threw(stream: Stream, error: unknown): void;
}

/** One such stream, from its complete response to its end. */
export class EarlyStream {
  readonly #stream: Stream;
  readonly #host: EarlyHost;
  readonly #server: EarlyStreams;
  readonly #rule: EarlyResponse;
  /** Sends the response; undefined once that is done. */
  #send: (() => void) | undefined;
  /** ms of the connection's time. */
  lookAt = 0;

  constructor(stream: Stream, host: EarlyHost, server: EarlyStreams, send?: () => void) {
    this.#stream = stream;
    this.#host = host;
    this.#server = server;
    this.#rule = new EarlyResponse(server.limits, server.time.running);
    this.#send = send;
    server.add(this);
  }

  get isSent(): boolean {
    return this.#rule.isSent;
  }

  /** Notes bytes of the request, and discards them; or the request's end. */
  received(bytes: number): void {
    this.#rule.received(bytes, this.#server.time.running);
    if (this.#stream.remoteOpen) {
      this.#host.credit(this.#stream, bytes);
      this.look();
    } else if (this.#send !== undefined) this.#release();
    else if (this.isSent) this.#host.discarded(this.#stream, undefined);
  }

  /** Sends the response if it waits no longer; after that ends the stream if its request is not read any longer. */
  look(): void {
    const { running: now } = this.#server.time;
    if (this.isSent) {
      const why = this.#rule.exceededLimit(now);
      if (why !== undefined) this.#host.discarded(this.#stream, why);
    } else if (this.#send !== undefined && this.#rule.isDue(now)) this.#release();
  }

  #release(): void {
    const send = this.#send as () => void;
    this.close();
    try {
      send();
    } catch (error) {
      this.#host.threw(this.#stream, error);
    }
  }

  /** Notes that all of the response was sent, before the request's end. */
  sent(): void {
    this.#send = undefined;
    this.#rule.sent(this.#server.time.running);
    this.#server.add(this);
  }

  /** The stream is gone, or its response is under way: there is nothing to look at. */
  close(): void {
    this.#send = undefined;
    this.#server.delete(this);
  }
}

/** The early streams of all connections of a server. They are looked at on their own: connections are too many. */
export class EarlyStreams {
  readonly limits: Limits;
  readonly time: Time;
  /** False while the server drains: no response waits then. */
  holds = true;
  /** Called when there is a first early stream: `look` is then to be called until `isEmpty`. */
  onFirst = (): void => {};
  /** In each set all wait equally long, so that those added first are due first. */
  readonly #held = new Set<EarlyStream>();
  readonly #sent = new Set<EarlyStream>();

  constructor(limits: Limits, time: Time) {
    this.limits = limits;
    this.time = time;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0 && this.#sent.size === 0;
  }

  add(early: EarlyStream): void {
    const { earlyResponseMs, earlyResponseIdleMs, discardIdleMs } = this.limits;
    const wasEmpty = this.isEmpty;
    this.delete(early);
    early.lookAt = this.time.running + (early.isSent ? discardIdleMs : Math.min(earlyResponseMs, earlyResponseIdleMs));
    (early.isSent ? this.#sent : this.#held).add(early);
    if (wasEmpty) this.onFirst();
  }

  delete(early: EarlyStream): void {
    this.#held.delete(early);
    this.#sent.delete(early);
  }

  /** Looks at the streams whose time has come. */
  look(): void {
    for (const set of [this.#held, this.#sent]) {
      for (const early of set) {
        if (early.lookAt > this.time.running) break;
        early.look();
        if (set.has(early)) this.add(early);
      }
    }
  }
}
