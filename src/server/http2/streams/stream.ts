/** A stream (RFC 9113, 5.1), which is the exchange that a handler answers. */
import {
  EMPTY_BYTES,
  type Exchange,
  type Field,
  type Peer,
  type ResetReason,
  type ResponseHead,
} from "../../http/exchange.ts";
import type { ReceiveWindow } from "../common/flow-control.ts";
import type { Outgoing } from "../common/send-queue.ts";
import { ErrorCode } from "../frames/types.ts";
import type { Http2RequestHead } from "../headers/request-head.ts";
import { EarlyStream } from "./early-streams.ts";
import { Body, type BodyHost } from "./request-body.ts";
import type { StreamHost } from "./stream-host.ts";

const RESET_CODES = {
  cancel: ErrorCode.Cancel,
  internal: ErrorCode.Internal,
  refused: ErrorCode.RefusedStream,
} as const satisfies Record<ResetReason, ErrorCode>;

type BufferDone = Parameters<Exchange["bufferBody"]>[1];

/** How far a handler is with its answer. */
const Answer = { Owed: 0, Begun: 1, Given: 2 } as const;

export class Stream implements Exchange, BodyHost {
  readonly id: number;
  readonly request: Http2RequestHead;
  readonly #host: StreamHost;
  #onCancelled: (() => void) | undefined;
  /** Whether the request, and the answer, are not whole: both is "open", one of them "half-closed", none "closed". */
  remoteOpen = true;
  localOpen = true;
  /** ms of the connection's time. */
  readonly startedAt: number;
  sendWindow: number;
  receiveWindow: ReceiveWindow | undefined;
  outgoing: Outgoing | undefined;
  bodiless = false;
  #early: EarlyStream | undefined;
  #answer: (typeof Answer)[keyof typeof Answer] = Answer.Owed;
  /** The stream is gone, and its handler still runs. */
  #orphaned = false;
  #continued = false;
  #received = 0;
  #wantedWhole = false;
  #body: Body | undefined;
  #bufferMax = 0;
  #bufferDone: BufferDone | undefined;
  #bufferOver: ((exchange: Exchange) => void) | undefined;

  constructor(host: StreamHost, id: number, request: Http2RequestHead, sendWindow: number, now: number) {
    this.#host = host;
    this.id = id;
    this.request = request;
    this.sendWindow = sendWindow;
    this.startedAt = now;
  }

  get peer(): Peer {
    return this.#host.peer;
  }

  get onCancelled(): (() => void) | undefined {
    return this.#onCancelled;
  }

  set onCancelled(callback: (() => void) | undefined) {
    if (this.#orphaned && callback !== undefined) this.#call(callback);
    else this.#onCancelled = callback;
  }

  // The request.

  /** Whether the handler waits for the whole body. */
  get buffering(): boolean {
    return this.#bufferDone !== undefined;
  }

  /** Whether a body has not ended that its handler wanted whole. */
  get awaited(): boolean {
    return this.#wantedWhole && this.remoteOpen && this.#early === undefined;
  }

  get body(): Body {
    this.#body ??= new Body(this);
    return this.#body;
  }

  bufferBody(maxBytes: number, done: BufferDone, over: (exchange: Exchange) => void): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    this.#wantedWhole = true;
    if (Math.max(this.request.contentLength, this.#body?.size ?? 0) > maxBytes) {
      this.#call(over);
    } else if (!this.remoteOpen) {
      this.#deliver(done);
    } else {
      this.#bufferMax = maxBytes;
      this.#bufferDone = done;
      this.#bufferOver = over;
      this.asked();
      this.#body?.credit();
    }
  }

  /** Takes a piece of the body, and whether it is the last; gives NoError, or why the stream is in error. */
  receive(piece: Buffer, last: boolean): ErrorCode {
    this.#received += piece.length;
    const expected = this.request.contentLength;
    // 8.1.1: a body that is not as long as content-length says is malformed.
    if (expected >= 0 && (this.#received > expected || (last && this.#received < expected))) return ErrorCode.Protocol;
    if (last) this.remoteOpen = false;
    if (this.#early !== undefined) {
      this.#early.received(piece.length);
      return ErrorCode.NoError;
    }
    const done = this.#bufferDone;
    if (last && done !== undefined && this.#body === undefined && piece.length <= this.#bufferMax) {
      // It is in no body that takes room for it: what its handler keeps must have some.
      if (!this.#host.hold(piece.length)) return ErrorCode.EnhanceYourCalm;
      this.#host.release(piece.length);
      this.#deliver(done, piece);
      return ErrorCode.NoError;
    }
    const over = done !== undefined && this.#received > this.#bufferMax;
    const kept = piece.length === 0 || this.body.add(piece, done !== undefined && !over);
    if (!kept) return ErrorCode.EnhanceYourCalm;
    if (over) this.#stopBuffering();
    else if (last && done !== undefined) this.#deliver(done);
    this.#body?.notify();
    return ErrorCode.NoError;
  }

  #stopBuffering(): void {
    const over = this.#bufferOver;
    this.#endBuffering();
    if (over !== undefined) this.#call(over);
  }

  #endBuffering(): void {
    this.#bufferDone = undefined;
    this.#bufferOver = undefined;
  }

  #deliver(done: BufferDone, bytes: Uint8Array = this.#body?.take() ?? EMPTY_BYTES): void {
    this.#endBuffering();
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

  // What its body asks of it.

  tryReserve(bytes: number): boolean {
    return this.#host.hold(bytes);
  }

  release(bytes: number): void {
    this.#host.release(bytes);
  }

  credit(bytes: number): void {
    if (this.remoteOpen) this.#host.credit(this, bytes);
  }

  /** A client that waits to be asked for the body is told to go on (RFC 9110, 10.1.1). */
  asked(): void {
    if (!this.request.expectsContinue || this.#continued) return;
    this.#continued = true;
    if (this.#received === 0 && this.#answer === Answer.Owed) this.#host.sender.continue(this.id);
  }

  // The answer.

  /** Whether nothing of it was said yet. */
  get unanswered(): boolean {
    return this.#answer === Answer.Owed;
  }

  respond(head: ResponseHead, body: Uint8Array, trailers?: readonly Field[]): void {
    if (!this.localOpen) {
      this.#stopped();
      return;
    }
    this.#expect(Answer.Owed, "send answer: it has begun");
    this.#answer = Answer.Given; // first: the stream may be reset while its response is queued
    if (this.remoteOpen && this.#host.early.holds && !this.#awaitsContinue) this.#hold(head, body, trailers);
    else this.#host.sender.respond(this, head, body, trailers);
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
    this.#onCancelled = undefined;
    this.#host.reset(this, RESET_CODES[reason]);
  }

  /** True if the client sends no body before it is told to go on. */
  get #awaitsContinue(): boolean {
    return this.request.expectsContinue && !this.#continued && this.#received === 0;
  }

  /** Keeps a complete response back until its request ends, or it waits no longer. */
  #hold(head: ResponseHead, body: Uint8Array, trailers: readonly Field[] | undefined): void {
    this.#discardBody();
    this.#early = new EarlyStream(this, this.#host, this.#host.early, () =>
      this.#host.sender.respond(this, head, body, trailers),
    );
  }

  /** The response is sent, and its request has not ended: the rest is discarded. */
  discard(): void {
    this.localOpen = false;
    this.#onCancelled = undefined;
    this.#discardBody();
    this.#early ??= new EarlyStream(this, this.#host, this.#host.early);
    this.#early.sent();
  }

  #discardBody(): void {
    this.#endBuffering();
    this.#body?.credit();
    this.#body?.close();
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
    this.#body?.close();
    this.#onCancelled = undefined;
  }

  /** The stream is gone, and not by its handler. */
  abandon(why: string): void {
    const running = this.#answer !== Answer.Given && !this.buffering;
    this.#close();
    this.#body?.close(new Error(`read body: ${why}`));
    this.#host.sender.drop(this);
    if (running) {
      this.#orphaned = true;
      this.#host.orphaned();
    }
    const onCancelled = this.#onCancelled;
    this.#onCancelled = undefined;
    if (onCancelled !== undefined) this.#call(onCancelled);
  }

  #close(): void {
    this.localOpen = false;
    this.remoteOpen = false;
    this.#early?.close();
    this.#endBuffering();
  }
}
