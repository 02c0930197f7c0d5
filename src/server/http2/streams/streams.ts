/** The streams of a connection, from HEADERS to their end (RFC 9113, 5). */
import type { DiscardLimit } from "../../http/early-response.ts";
import { type ConnectionPeer, EMPTY_BYTES, type ResetReason } from "../../http/exchange.ts";
import { discardMessage, slowRequestMessage } from "../../http/limit-messages.ts";
import { Budget } from "../../limits/budget.ts";
import type { FloodControl } from "../common/flood-control.ts";
import { LimitError } from "../common/limit-error.ts";
import { Sender, type SenderHost } from "../common/sender.ts";
import { type ConnectionError, ErrorCode } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import { type Http2RequestHead, PLACEHOLDER_HEAD } from "../headers/request-head.ts";
import type { ServerState } from "../server-state.ts";
import { BodyBudget } from "./body-budget.ts";
import type { EarlyStreams } from "./early-streams.ts";
import { ResponseSender } from "./response-sender.ts";
import { Stream } from "./stream.ts";
import type { StreamHost } from "./stream-host.ts";
import { StreamTable } from "./table.ts";

const RESET_CODES = {
  cancel: ErrorCode.Cancel,
  internal: ErrorCode.Internal,
  refused: ErrorCode.RefusedStream,
} as const satisfies Record<ResetReason, ErrorCode>;

/** The part of a connection that `Streams` uses. */
export interface StreamsConnection {
  readonly peer: ConnectionPeer;
  /** Closes the connection with GOAWAY. */
  fail(error: ConnectionError): void;
  /** Closes the connection without sending the bytes that the socket holds. */
  destroy(reason: string): void;
  /** Called when no stream is open any more. */
  becameIdle(): void;
}

export class Streams implements StreamHost<Stream>, SenderHost<Stream> {
  readonly table = new StreamTable();
  readonly sender: Sender<Stream>;
  readonly responses: ResponseSender;
  readonly bodies: BodyBudget;
  readonly early: EarlyStreams;
  readonly #connection: StreamsConnection;
  readonly #server: ServerState;
  readonly #writer: FrameWriter;
  readonly #floodControl: FloodControl;
  /** Counts the handlers of this connection that are running for cancelled streams. */
  readonly #cancelledHandlers: Budget;

  constructor(connection: StreamsConnection, server: ServerState, writer: FrameWriter, floodControl: FloodControl) {
    const { limits, queued } = server;
    this.#connection = connection;
    this.#server = server;
    this.#writer = writer;
    this.#floodControl = floodControl;
    this.sender = new Sender(this, { writer, floodControl, queued, sendBufferBytes: limits.sendBufferBytes });
    this.responses = new ResponseSender(this.sender, server.responseEncoder, server.time);
    this.bodies = new BodyBudget(limits, server.buffered, server.onLimit);
    this.early = server.early;
    this.#cancelledHandlers = new Budget(limits.cancelledHandlersPerConnection, server.cancelledHandlers);
  }

  get peer(): ConnectionPeer {
    return this.#connection.peer;
  }

  get exactNow(): number {
    return this.#server.time.exactNow;
  }

  get count(): number {
    return this.table.open.size;
  }

  // The beginning of a stream.

  /** Opens a stream and calls the handler. `endsStream` is true if the request has no body. */
  open(id: number, head: Http2RequestHead, sendWindow: number, endsStream: boolean): void {
    const stream = this.#add(id, head, sendWindow, endsStream);
    try {
      this.#server.handler(stream);
    } catch (error) {
      this.handlerThrew(stream, error);
    }
  }

  /** Responds to a request without the handler. `endsStream` is true if the request has no body. */
  respondWithStatus(id: number, status: number, endsStream: boolean): void {
    this.#add(id, PLACEHOLDER_HEAD, 0, endsStream).respond({ status, fields: [] }, EMPTY_BYTES);
  }

  #add(id: number, head: Http2RequestHead, sendWindow: number, endsStream: boolean): Stream {
    const stream = new Stream(this, id, head, sendWindow, this.#server.time.now);
    if (endsStream) stream.endRemote();
    this.table.open.add(stream);
    return stream;
  }

  // The end of a stream.

  /**
   * Resets a stream, open or not, for an error of the peer (5.4.2). Throws LimitError if the peer causes too many
   * resets.
   */
  fail(id: number, code: ErrorCode): void {
    this.refuse(id, code);
    this.#floodControl.countReset();
  }

  /**
   * Resets a stream, open or not, for a reason that may not be an error of the peer. Flood control does not count the
   * reset. `status` is that of `CancelListener`.
   */
  refuse(id: number, code: ErrorCode, status?: number): void {
    this.#sendReset(id, code);
    const stream = this.table.open.get(id);
    if (stream !== undefined) this.cancel(stream, "the stream was in error", status);
  }

  reset(stream: Stream, reason: ResetReason): void {
    this.#sendReset(stream.id, RESET_CODES[reason]);
    this.cancel(stream, "the exchange was reset");
  }

  #sendReset(id: number, code: ErrorCode): void {
    this.#writer.writeRstStream(id, code);
    this.table.rememberReset(id);
  }

  messageSent(stream: Stream): void {
    this.#floodControl.allowControlFrames(2);
    if (stream.isRemoteOpen) stream.discardRequest();
    else this.#finish(stream);
  }

  /**
   * Closes a stream after its response. RST_STREAM with NO_ERROR tells a client that is still sending to stop (8.1).
   */
  requestDiscarded(stream: Stream, limit: DiscardLimit | undefined): void {
    const { limits, onLimit } = this.#server;
    if (limit !== undefined && limit !== "discardIdleMs") onLimit(limit, discardMessage(limit, limits));
    if (limit !== undefined) this.#sendReset(stream.id, ErrorCode.NoError);
    this.#finish(stream);
  }

  #finish(stream: Stream): void {
    stream.finish();
    this.#remove(stream);
  }

  /** Removes and cancels a stream whose request or response is not complete. `status` is that of `CancelListener`. */
  cancel(stream: Stream, reason: string, status?: number): void {
    this.#remove(stream);
    stream.cancel(reason, status);
  }

  /** Removes and cancels all streams, because the connection has ended. */
  cancelAll(reason: string): void {
    for (const stream of this.table.open.values()) {
      this.table.open.delete(stream.id);
      stream.cancel(reason);
    }
  }

  #remove(stream: Stream): void {
    this.table.open.delete(stream.id);
    if (this.count === 0) this.#connection.becameIdle();
  }

  /**
   * Resets the streams that began before `startedBefore` and whose handler awaits the body. Sends 408 (RFC 9110,
   * 15.5.9) first on those whose response has not begun.
   */
  endSlowRequests(startedBefore: number): void {
    for (const stream of this.table.open.values()) {
      if (!stream.isAwaitingBody || stream.startedAt >= startedBefore) continue;
      this.#server.onLimit("requestMs", slowRequestMessage(this.#server.limits));
      if (stream.isResponsePending) this.responses.respondWithoutContent(stream.id, { status: 408, fields: [] });
      this.#sendReset(stream.id, stream.isResponsePending ? ErrorCode.NoError : ErrorCode.Cancel);
      this.cancel(stream, "the request took too long", 408);
    }
  }

  shed(): void {
    let largest: Stream | undefined;
    for (const stream of this.table.open.values()) {
      if ((stream.sendQueue?.bytes ?? 0) > (largest?.sendQueue?.bytes ?? 0)) largest = stream;
    }
    if (largest === undefined) this.#connection.destroy("responses that are not read exceed the limit");
    else this.refuse(largest.id, ErrorCode.EnhanceYourCalm);
  }

  // Handlers.

  handlerCancelled(): void {
    this.#cancelledHandlers.reserve(1);
    if (!this.#cancelledHandlers.isExceeded) return;
    const max = this.#server.limits.cancelledHandlersPerConnection;
    const message = `handlers running for reset streams exceed ${max}`;
    this.#connection.fail(new LimitError(ErrorCode.EnhanceYourCalm, message, "cancelledHandlersPerConnection"));
  }

  handlerStopped(): void {
    this.#cancelledHandlers.release(1);
  }

  handlerThrew(stream: Stream, error: unknown): void {
    this.#server.onError(error);
    stream.reset("internal");
  }
}
