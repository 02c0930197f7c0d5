/** The streams of a connection, from HEADERS to their end, and what they ask of it (RFC 9113, 5). */

import { type DiscardLimit, discardMessage } from "../../http/early-response.ts";
import { EMPTY_BYTES, type Peer } from "../../http/exchange.ts";
import { Budget } from "../../limits/budget.ts";
import type { Tolls } from "../common/flood-control.ts";
import { LimitError } from "../common/limit-error.ts";
import { Sender, type SenderHost } from "../common/sender.ts";
import { type ConnectionError, ErrorCode } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import { type Http2RequestHead, PLACEHOLDER_HEAD } from "../headers/request-head.ts";
import type { ServerState } from "../server-state.ts";
import type { EarlyStreams } from "./early-streams.ts";
import { Stream } from "./stream.ts";
import type { StreamHost } from "./stream-host.ts";
import { StreamTable } from "./table.ts";

/** What streams ask of their connection. */
export interface StreamsHost {
  readonly peer: Peer;
  /** Ends the connection. */
  fail(error: ConnectionError): void;
  /** Ends the connection, and with it what the socket holds. */
  drop(why: string): void;
  /** The last stream is gone. */
  idle(): void;
}

export class Streams implements StreamHost, SenderHost {
  readonly #host: StreamsHost;
  readonly #server: ServerState;
  readonly #writer: FrameWriter;
  readonly #tolls: Tolls;
  readonly #buffered: Budget;
  readonly #abandoned: Budget;
  readonly table = new StreamTable();
  readonly sender: Sender;

  constructor(host: StreamsHost, server: ServerState, writer: FrameWriter, tolls: Tolls) {
    const { limits } = server;
    this.#host = host;
    this.#server = server;
    this.#writer = writer;
    this.#tolls = tolls;
    this.#buffered = new Budget(limits.bufferedBytesPerConnection, server.buffered);
    this.#abandoned = new Budget(limits.cancelledHandlersPerConnection, server.abandoned);
    this.sender = new Sender(this, server, writer, tolls);
  }

  get peer(): Peer {
    return this.#host.peer;
  }

  get early(): EarlyStreams {
    return this.#server.early;
  }

  get count(): number {
    return this.table.open.size;
  }

  // Their beginning.

  /** Whether the peer has opened all streams that it may (5.1.2). */
  get full(): boolean {
    const { concurrentStreams } = this.#server.limits;
    if (this.count < concurrentStreams) return false;
    this.#server.onLimit("concurrentStreams", `streams of a connection exceed ${concurrentStreams}`);
    return true;
  }

  /** Whether all handlers run that may for streams that are gone. */
  get overloaded(): boolean {
    const { limits, abandoned } = this.#server;
    if (!abandoned.isFull) return false;
    this.#server.onLimit("cancelledHandlers", `handlers running for reset streams exceed ${limits.cancelledHandlers}`);
    return true;
  }

  /** Begins a stream; last says that its request has no body. */
  begin(id: number, head: Http2RequestHead, sendWindow: number, last: boolean): void {
    const stream = new Stream(this, id, head, sendWindow, this.#server.time.now);
    stream.remoteOpen = !last;
    this.table.open.set(id, stream);
    try {
      this.#server.handler(stream);
    } catch (error) {
      this.threw(stream, error);
    }
  }

  /** Responds to a request that no handler sees; `last` says that the request has no body. */
  refuse(id: number, status: number, last: boolean): void {
    const stream = new Stream(this, id, PLACEHOLDER_HEAD, 0, this.#server.time.now);
    stream.remoteOpen = !last;
    this.table.open.set(id, stream);
    stream.respond({ status, fields: [] }, EMPTY_BYTES);
  }

  // Their end.

  /** Resets a stream for its peer's error (5.4.2), open or not. */
  error(id: number, code: ErrorCode): void {
    this.giveUp(id, code);
    this.#tolls.reset();
  }

  /** Resets a stream for what may be other peers' doing: it counts as none of its own peer's resets. */
  giveUp(id: number, code: ErrorCode): void {
    this.#rst(id, code);
    const stream = this.table.open.get(id);
    if (stream !== undefined) this.abandon(stream, "the stream was in error");
  }

  reset(stream: Stream, code: ErrorCode): void {
    this.#rst(stream.id, code);
    this.abandon(stream, "the exchange was reset");
  }

  #rst(id: number, code: ErrorCode): void {
    this.#writer.writeRstStream(id, code);
    this.table.rememberReset(id);
  }

  /** The answer of a stream is whole. If its request is not, the rest of that is read and discarded. */
  answered(stream: Stream): void {
    this.#tolls.earn(2);
    if (stream.remoteOpen) stream.discard();
    else this.#finish(stream);
  }

  /** Ends a stream after its response. A peer that still sends is told to stop, and that it was no error (8.1). */
  discarded(stream: Stream, why: DiscardLimit | undefined): void {
    const { limits, onLimit } = this.#server;
    if (why !== undefined && why !== "discardIdleMs") onLimit(why, discardMessage(why, limits));
    if (why !== undefined) this.#rst(stream.id, ErrorCode.NoError);
    this.#finish(stream);
  }

  #finish(stream: Stream): void {
    stream.finish();
    this.#remove(stream);
  }

  abandon(stream: Stream, why: string): void {
    this.#remove(stream);
    stream.abandon(why);
  }

  abandonAll(why: string): void {
    for (const stream of this.table.open.values()) {
      this.table.open.delete(stream.id);
      stream.abandon(why);
    }
  }

  #remove(stream: Stream): void {
    this.table.open.delete(stream.id);
    if (this.count === 0) this.#host.idle();
  }

  /** Requests that are awaited and began before a time took too long: they are answered 408 (RFC 9110, 15.5.9). */
  endSlowRequests(begunBefore: number): void {
    for (const stream of this.table.open.values()) {
      if (!stream.awaited || stream.startedAt >= begunBefore) continue;
      this.#server.onLimit("requestMs", `the request took over ${this.#server.limits.requestMs} ms`);
      if (stream.unanswered) this.sender.refuse(stream.id, { status: 408, fields: [] });
      this.#rst(stream.id, stream.unanswered ? ErrorCode.NoError : ErrorCode.Cancel);
      this.abandon(stream, "the request took too long");
    }
  }

  shed(): void {
    let largest: Stream | undefined;
    for (const stream of this.table.open.values()) {
      if ((stream.outgoing?.bytes ?? 0) > (largest?.outgoing?.bytes ?? 0)) largest = stream;
    }
    if (largest === undefined) this.#host.drop("responses that are not read exceed the limit");
    else this.giveUp(largest.id, ErrorCode.EnhanceYourCalm);
  }

  // What each asks of its connection.

  hold(bytes: number): boolean {
    if (this.#buffered.tryReserve(bytes)) return true;
    const { bufferedBytesPerConnection: most } = this.#server.limits;
    if (this.#buffered.used + bytes > most) {
      this.#server.onLimit("bufferedBytesPerConnection", `bodies of a connection exceed ${most} bytes`);
    } else this.#server.onLimit("bufferedBytes", `bodies exceed ${this.#server.limits.bufferedBytes} bytes`);
    return false;
  }

  release(bytes: number): void {
    this.#buffered.release(bytes);
  }

  credit(stream: Stream, bytes: number): void {
    const increment = stream.receiveWindow?.release(bytes) ?? 0;
    if (increment > 0) this.#writer.writeWindowUpdate(stream.id, increment);
  }

  orphaned(): void {
    this.#abandoned.reserve(1);
    if (!this.#abandoned.isExceeded) return;
    const most = this.#server.limits.cancelledHandlersPerConnection;
    this.#host.fail(
      new LimitError(
        ErrorCode.EnhanceYourCalm,
        `handlers running for reset streams exceed ${most}`,
        "cancelledHandlersPerConnection",
      ),
    );
  }

  stopped(): void {
    this.#abandoned.release(1);
  }

  threw(stream: Stream, error: unknown): void {
    this.#server.onError(error);
    stream.reset("internal");
  }
}
