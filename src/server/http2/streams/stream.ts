/** A stream of a client (RFC 9113, 5.1). The handler uses it as an `Exchange`. */
import type { DiscardLimit } from "../../http/early-response.ts";
import {
  type BodyReader,
  type CancelListener,
  callListener,
  EMPTY_BYTES,
  type Exchange,
  type Field,
  type Peer,
  type Piece,
  type ResetReason,
  type ResponseHead,
} from "../../http/exchange.ts";
import { allocateBuffer } from "../../limits/buffer-memory.ts";
import { BaseStream } from "../common/base-stream.ts";
import { ErrorCode } from "../frames/types.ts";
import type { Http2RequestHead } from "../headers/request-head.ts";
import { EarlyStream, type EarlyStreamOwner } from "./early-streams.ts";
import { type BodyStream, RequestBody } from "./request-body.ts";
import { Progress, type RespondingStream } from "./response-sender.ts";
import type { StreamHost } from "./stream-host.ts";

type Buffering = Parameters<Exchange["bufferBody"]>;

export class Stream extends BaseStream implements Exchange, BodyStream, EarlyStreamOwner, RespondingStream {
  readonly request: Http2RequestHead;
  /** Time of HEADERS, in ms of `Time.now`. */
  readonly startedAt: number;
  omitsContent = false;
  readonly #host: StreamHost<Stream>;
  #progress: (typeof Progress)[keyof typeof Progress] = Progress.Pending;
  #onCancelled: CancelListener | undefined;
  #early: EarlyStream | undefined;
  #sentContinue = false;
  /** Bytes of the request body that were received. */
  #received = 0;
  #body: RequestBody | undefined;
  /** True if `bufferBody` was called. */
  #buffersBody = false;
  /** The arguments of `bufferBody`. Undefined while nothing is being buffered. */
  #buffering: Buffering | undefined;

  constructor(host: StreamHost<Stream>, id: number, request: Http2RequestHead, sendWindow: number, now: number) {
    super(id, sendWindow);
    this.#host = host;
    this.request = request;
    this.startedAt = now;
  }

  get exactStartedAt(): number {
    return this.#host.exactNow;
  }

  get peer(): Peer {
    return this.#host.peer.of(this.request);
  }

  get onCancelled(): CancelListener | undefined {
    return this.#onCancelled;
  }

  set onCancelled(listener: CancelListener | undefined) {
    if (this.#progress === Progress.Cancelled) this.#call(() => callListener(listener));
    else this.#onCancelled = listener;
  }

  // The request.

  /** True if `bufferBody` was called, the request is not complete, and its response is neither held nor sent. */
  get isAwaitingBody(): boolean {
    return this.#buffersBody && this.isRemoteOpen && this.#early === undefined;
  }

  get hasBody(): boolean {
    return this.request.contentLength !== 0 && (this.isRemoteOpen || this.#received > 0);
  }

  get body(): RequestBody {
    this.#body ??= new RequestBody(this, this.#host.bodies);
    return this.#body;
  }

  readBody(onReadable: () => void): BodyReader {
    return this.body.listen(onReadable);
  }

  bufferBody(...buffering: Buffering): void {
    if (!this.isLocalOpen) {
      this.#stopped();
      return;
    }
    this.#buffersBody = true;
    const [maxBytes, done, over] = buffering;
    if (Math.max(this.request.contentLength, this.#body?.size ?? 0) > maxBytes) this.#call(over);
    else if (!this.isRemoteOpen) this.#deliver(done);
    else {
      this.#buffering = buffering;
      this.continueRequest();
      this.#body?.freeWindow();
    }
  }

  expectedBytes(start: Uint8Array): number {
    // A reader takes the bytes as they come, so room for later ones would only waste memory.
    if (this.#buffering === undefined) return 0;
    return Math.max(0, this.request.contentLength, this.#buffering[3]?.(start) ?? 0);
  }

  /** Receives a piece of the body. Returns NoError, or the code of the stream error (5.4.2). */
  receive(piece: Buffer, endsStream: boolean): ErrorCode {
    this.#received += piece.length;
    const expected = this.request.contentLength;
    // A body whose length is not the content-length makes the request malformed (8.1.1).
    if (expected >= 0 && (this.#received > expected || (endsStream && this.#received < expected))) {
      return ErrorCode.Protocol;
    }
    if (endsStream) this.endRemote();
    if (this.#early !== undefined) {
      this.#early.receive(piece.length);
      return ErrorCode.NoError;
    }
    const buffering = this.#buffering;
    if (endsStream && buffering !== undefined && this.#body === undefined && piece.length <= buffering[0]) {
      // The body is a single frame. The budget must have room, because the handler may keep the body.
      if (!this.tryReserve(piece.length)) return ErrorCode.EnhanceYourCalm;
      this.release(piece.length);
      const bytes = allocateBuffer(piece.length);
      bytes.set(piece);
      this.#deliver(buffering[1], bytes);
      return ErrorCode.NoError;
    }
    const isOver = buffering !== undefined && this.#received > buffering[0];
    const isBuffered = buffering !== undefined && !isOver;
    if (piece.length > 0 && !this.body.add(piece, isBuffered)) return ErrorCode.EnhanceYourCalm;
    if (isOver) {
      this.#buffering = undefined;
      this.#call(buffering[2]);
    } else if (endsStream && isBuffered) this.#deliver(buffering[1]);
    this.#body?.notify();
    return ErrorCode.NoError;
  }

  tryReserve(bytes: number): boolean {
    return this.#host.bodies.tryReserve(bytes);
  }

  release(bytes: number): void {
    this.#host.bodies.release(bytes);
  }

  /** Sends 100 (Continue) if the client waits for it (RFC 9110, 10.1.1). */
  continueRequest(): void {
    if (!this.request.expectsContinue || this.#sentContinue) return;
    this.#sentContinue = true;
    if (this.#received === 0 && this.isResponsePending) this.#host.responses.sendContinue(this.id);
  }

  #deliver(done: Buffering[1], bytes: Uint8Array = this.#body?.take() ?? EMPTY_BYTES): void {
    this.#buffering = undefined;
    try {
      done(bytes, this); // not by #call, which would need a closure
    } catch (error) {
      this.#host.handlerThrew(this, error);
    }
  }

  #call(callback: (exchange: Exchange) => void): void {
    try {
      callback(this);
    } catch (error) {
      this.#host.handlerThrew(this, error);
    }
  }

  // The response.

  /** True if the response has not begun. */
  get isResponsePending(): boolean {
    return this.#progress === Progress.Pending;
  }

  respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    if (!this.isLocalOpen) {
      this.#stopped();
      return;
    }
    this.#expect(Progress.Pending, "send response: it has begun");
    this.#progress = Progress.Complete; // before sending, which may reset the stream
    if (this.isRemoteOpen && this.#host.early.holdsResponses && !this.#isAwaitingContinue) {
      this.#hold(head, body, trailers);
    } else this.#host.responses.respond(this, head, body, trailers);
  }

  start(head: ResponseHead): void {
    if (!this.isLocalOpen) return;
    this.#expect(Progress.Pending, "send head: the response has begun");
    this.#host.responses.start(this, head);
    this.#progress = Progress.Started;
  }

  write(piece: Piece): Promise<void> | undefined {
    if (!this.isLocalOpen) return undefined;
    this.#expect(Progress.Started, "send body: the response has not begun, or is complete");
    return this.#host.responses.write(this, piece);
  }

  end(trailers?: readonly Field[]): void {
    if (!this.isLocalOpen) {
      this.#stopped();
      return;
    }
    this.#expect(Progress.Started, "end response: it has not begun, or is complete");
    this.#host.responses.end(this, trailers);
    this.#progress = Progress.Complete;
  }

  reset(reason: ResetReason = "cancel"): void {
    if (!this.isLocalOpen) {
      this.#stopped();
      return;
    }
    this.#progress = Progress.Complete;
    this.#onCancelled = undefined;
    this.#host.reset(this, reason);
  }

  /** True if the client still waits for 100 (Continue) before it sends the body. */
  get #isAwaitingContinue(): boolean {
    return this.request.expectsContinue && !this.#sentContinue && this.#received === 0;
  }

  /** Holds a complete response until its request is complete or a limit is reached (early-response.ts). */
  #hold(head: ResponseHead, body: Piece, trailers: readonly Field[] | undefined): void {
    this.#discardBody();
    this.#early = new EarlyStream(this, this.#host.early, () =>
      this.#call(() => this.#host.responses.respond(this, head, body, trailers)),
    );
  }

  #expect(progress: number, otherwise: string): void {
    if (this.#progress !== progress) throw new Error(otherwise);
  }

  /** Records that the handler has stopped, if its stream was cancelled while it was running. */
  #stopped(): void {
    if (this.#progress !== Progress.Cancelled) return;
    this.#progress = Progress.Complete;
    this.#host.handlerStopped();
  }

  /** Records that the response was sent before the end of the request, and discards the rest of the request. */
  discardRequest(): void {
    this.endLocal();
    this.#onCancelled = undefined;
    this.#discardBody();
    this.#early ??= new EarlyStream(this, this.#host.early);
    this.#early.responseSent();
  }

  #discardBody(): void {
    this.#buffering = undefined;
    this.#body?.freeWindow();
    this.#body?.close();
  }

  requestDiscarded(limit: DiscardLimit | undefined): void {
    this.#host.requestDiscarded(this, limit);
  }

  /** Closes the stream after its response. */
  finish(): void {
    this.#close();
    this.#body?.close();
    this.#onCancelled = undefined;
  }

  /** Closes a stream whose request or response is not complete, and passes `status` to `onCancelled` if it is set. */
  cancel(reason: string, status?: number): void {
    const isRunning = this.#progress !== Progress.Complete && this.#buffering === undefined;
    this.#close();
    this.#body?.close(new Error(`read body: ${reason}`));
    this.#host.responses.discard(this);
    if (isRunning) {
      this.#progress = Progress.Cancelled;
      this.#host.handlerCancelled();
    }
    const onCancelled = this.#onCancelled;
    this.#onCancelled = undefined;
    this.#call(() => callListener(onCancelled, status));
  }

  #close(): void {
    this.closeBoth();
    this.#early?.close();
    this.#buffering = undefined;
  }
}
