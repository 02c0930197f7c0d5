/** A stream (RFC 9113, 5.1), which is the exchange that a handler answers. */
import type { Exchange, Field, ResetReason, ResponseHead } from "../exchange.ts";
import { BodyReader, type BodySource, HeldBytes } from "./body.ts";
import type { ReceiveWindow } from "./flow-control.ts";
import { ErrorCode } from "./frames.ts";
import type { Http2RequestHead } from "./request-head.ts";
import type { Outgoing, Sender } from "./sender.ts";

const RESET_CODES = {
  cancel: ErrorCode.Cancel,
  internal: ErrorCode.Internal,
  refused: ErrorCode.RefusedStream,
} as const satisfies Record<ResetReason, ErrorCode>;

/** How far a handler is with its answer. */
const Answer = { Owed: 0, Begun: 1, Given: 2 } as const;

/** What a stream asks of its connection. */
export interface StreamHost {
  readonly sender: Sender;
  readonly gatherBytes: number;
  /** Takes room for bytes of bodies; false where there is none. */
  hold(bytes: number): boolean;
  release(bytes: number): void;
  /** Lets the peer send this many bytes more. */
  credit(stream: Stream, bytes: number): void;
  /** Ends the stream with RST_STREAM (5.4.2). */
  reset(stream: Stream, code: ErrorCode): void;
  /** A stream is gone whose handler still runs; and that handler has stopped. */
  orphaned(): void;
  stopped(): void;
  /** A handler threw, which it must not. */
  threw(stream: Stream, error: unknown): void;
}

export class Stream implements Exchange, BodySource {
  readonly id: number;
  readonly request: Http2RequestHead;
  readonly #host: StreamHost;
  #onAbandoned: (() => void) | undefined;
  /** Whether the request, and the answer, are not whole: both is "open", one of them "half-closed", none "closed". */
  remoteOpen = true;
  localOpen = true;
  /** ms of the connection's time. */
  readonly openedAt: number;
  sendWindow: number;
  receiveWindow: ReceiveWindow | undefined;
  outgoing: Outgoing | undefined;
  bodiless = false;
  #answer: (typeof Answer)[keyof typeof Answer] = Answer.Owed;
  /** The stream is gone, and its handler still runs. */
  #orphaned = false;
  #continued = false;
  #received = 0;
  #held: HeldBytes | undefined;
  /** Bytes held that the peer was not yet credited. */
  #uncredited = 0;
  #reader: BodyReader | undefined;
  #gatherMax = 0;
  #gatherDone: ((bytes: Uint8Array, exchange: Exchange) => void) | undefined;
  #gatherOver: ((exchange: Exchange) => void) | undefined;

  constructor(host: StreamHost, id: number, request: Http2RequestHead, sendWindow: number, now: number) {
    this.#host = host;
    this.id = id;
    this.request = request;
    this.sendWindow = sendWindow;
    this.openedAt = now;
  }

  get onAbandoned(): (() => void) | undefined {
    return this.#onAbandoned;
  }

  set onAbandoned(callback: (() => void) | undefined) {
    if (this.#orphaned && callback !== undefined) this.#call(callback);
    else this.#onAbandoned = callback;
  }

  // The request.

  /** Whether the handler waits for the whole body. */
  get gathering(): boolean {
    return this.#gatherDone !== undefined;
  }

  /** Whether nothing was said yet. */
  get unanswered(): boolean {
    return this.#answer === Answer.Owed;
  }

  get body(): AsyncIterable<Uint8Array> {
    this.#reader ??= new BodyReader(this);
    return this.#reader;
  }

  gather(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    const max = Math.min(maxBytes, this.#host.gatherBytes);
    if (Math.max(this.request.contentLength, this.#held?.size ?? 0) > max) {
      this.#call(over);
      return;
    }
    if (!this.remoteOpen) {
      this.#deliver(done, this.takeHeld() ?? Buffer.alloc(0));
      return;
    }
    this.#gatherMax = max;
    this.#gatherDone = done;
    this.#gatherOver = over;
    this.#asked();
    this.#credit(this.#uncredited);
    this.#uncredited = 0;
  }

  takeHeld(): Buffer | undefined {
    const held = this.#held;
    if (held === undefined || held.size === 0) {
      if (this.remoteOpen) this.#asked();
      return undefined;
    }
    this.#host.release(held.size);
    this.#credit(this.#uncredited);
    this.#uncredited = 0;
    return held.take();
  }

  /** The body is asked for: a client that waits for that is told to go on (RFC 9110, 10.1.1). */
  #asked(): void {
    if (!this.request.expectsContinue || this.#continued) return;
    this.#continued = true;
    if (this.#received === 0 && this.#answer === Answer.Owed) this.#host.sender.continue(this.id);
  }

  #credit(bytes: number): void {
    if (bytes > 0 && this.remoteOpen) this.#host.credit(this, bytes);
  }

  /** Takes a piece of the body, and whether it is the last; gives NoError, or why the stream is in error. */
  receive(piece: Buffer, last: boolean): ErrorCode {
    this.#received += piece.length;
    const expected = this.request.contentLength;
    // 8.1.1: a body that is not as long as content-length says is malformed.
    if (expected >= 0 && (this.#received > expected || (last && this.#received < expected))) return ErrorCode.Protocol;
    if (last) this.remoteOpen = false;
    const done = this.#gatherDone;
    if (last && done !== undefined && this.#held === undefined && piece.length <= this.#gatherMax) {
      this.#deliver(done, piece);
      return ErrorCode.NoError;
    }
    return this.#keep(piece) ? this.#kept(piece.length, last) : ErrorCode.EnhanceYourCalm;
  }

  #keep(piece: Buffer): boolean {
    if (piece.length === 0 || !this.localOpen) return true;
    if (!this.#host.hold(piece.length)) return false;
    this.#held ??= new HeldBytes();
    this.#held.add(piece);
    return true;
  }

  #kept(bytes: number, last: boolean): ErrorCode {
    const done = this.#gatherDone;
    const over = this.#gatherOver;
    if (done === undefined) this.#uncredited += bytes;
    else if (over !== undefined && (this.#held?.size ?? 0) > this.#gatherMax) {
      this.#endGather();
      this.#uncredited += bytes;
      this.#call(over);
    } else if (last) this.#deliver(done, this.takeHeld() ?? Buffer.alloc(0));
    else this.#credit(bytes);
    this.#reader?.notify();
    return ErrorCode.NoError;
  }

  #endGather(): void {
    this.#gatherDone = undefined;
    this.#gatherOver = undefined;
  }

  #deliver(done: (bytes: Uint8Array, exchange: Exchange) => void, bytes: Uint8Array): void {
    this.#endGather();
    try {
      done(bytes, this);
    } catch (error) {
      this.#host.threw(this, error);
    }
  }

  #call(callback: (exchange: Exchange) => void): void {
    try {
      callback(this);
    } catch (error) {
      this.#host.threw(this, error);
    }
  }

  // The answer.

  respond(head: ResponseHead, body: Uint8Array, trailers?: readonly Field[]): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    this.#expect(Answer.Owed, "send answer: it has begun");
    this.#host.sender.respond(this, head, body, trailers);
    this.#answer = Answer.Given;
  }

  start(head: ResponseHead): void {
    if (!this.localOpen) return;
    this.#expect(Answer.Owed, "send head: the answer has begun");
    this.#host.sender.start(this, head);
    this.#answer = Answer.Begun;
  }

  write(piece: Uint8Array): Promise<void> | undefined {
    if (!this.localOpen) return undefined;
    this.#expect(Answer.Begun, "send body: the answer has not begun, or is whole");
    return this.#host.sender.write(this, piece);
  }

  end(trailers?: readonly Field[]): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    this.#expect(Answer.Begun, "end answer: it has not begun, or is whole");
    this.#host.sender.end(this, trailers);
    this.#answer = Answer.Given;
  }

  reset(reason: ResetReason = "cancel"): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    this.#answer = Answer.Given;
    this.#onAbandoned = undefined;
    this.#host.reset(this, RESET_CODES[reason]);
  }

  #expect(answer: number, otherwise: string): void {
    if (this.#answer !== answer) throw new Error(otherwise);
  }

  #stopped(): void {
    if (!this.#orphaned) return;
    this.#orphaned = false;
    this.#host.stopped();
  }

  // The end.

  /** The answer is whole: what was not read of the request is thrown away. */
  finish(): void {
    this.#close();
    this.#onAbandoned = undefined;
    this.#reader?.notify();
  }

  /** The stream is gone, and not by its handler. */
  abandon(why: string): void {
    const running = this.#answer !== Answer.Given && !this.gathering;
    this.#close();
    this.#host.sender.drop(this);
    this.#reader?.fail(new Error(`read body: ${why}`));
    if (running) {
      this.#orphaned = true;
      this.#host.orphaned();
    }
    const onAbandoned = this.#onAbandoned;
    this.#onAbandoned = undefined;
    if (onAbandoned !== undefined) this.#call(onAbandoned);
  }

  #close(): void {
    this.localOpen = false;
    this.remoteOpen = false;
    this.#endGather();
    if (this.#held === undefined) return;
    this.#host.release(this.#held.size);
    this.#held = undefined;
  }
}
