/**
 * A connection from a client (RFC 9113), without a socket, a timer or a clock. `BoundSocket` passes received bytes to
 * `receive`, takes output with `takeOutput`, and calls `checkTimeouts` at intervals.
 */
import type { ConnectionPeer } from "../http/exchange.ts";
import { oldConnectionMessage } from "../http/limit-messages.ts";
import { MAX_AGE } from "../limits/connection-age.ts";
import { ConnectionFrames } from "./common/connection-frames.ts";
import { ConnectionPhase, ConnectionState } from "./common/connection-state.ts";
import { FloodControl } from "./common/flood-control.ts";
import { GracefulClose } from "./common/graceful-close.ts";
import { LimitError } from "./common/limit-error.ts";
import { announcedSettings, PeerSettings } from "./common/settings.ts";
import { type TimeoutInputs, Timeouts } from "./common/timeouts.ts";
import { FrameReader } from "./frames/reader.ts";
import { CLIENT_PREFACE, ConnectionError, ErrorCode, FrameType, INITIAL_WINDOW_BYTES } from "./frames/types.ts";
import { FrameWriter } from "./frames/writer.ts";
import type { ServerState } from "./server-state.ts";
import { StreamFrames } from "./stream-frames.ts";
import type { Stream } from "./streams/stream.ts";
import { Streams, type StreamsConnection } from "./streams/streams.ts";

/** The opaque data of keepalive PINGs. */
const KEEPALIVE_DATA = Buffer.alloc(8);
/**
 * A graceful close waits for the first stream until the connection has existed for this time. Clients may treat a
 * connection as failed if they receive GOAWAY before they open a stream.
 */
const FIRST_STREAM_MS = 1_000;

export class Connection implements StreamsConnection, TimeoutInputs {
  readonly peer: ConnectionPeer;
  readonly #server: ServerState;
  readonly #state = new ConnectionState();
  readonly #reader = new FrameReader(CLIENT_PREFACE);
  readonly #writer: FrameWriter;
  readonly #timeouts: Timeouts;
  readonly #gracefulClose: GracefulClose;
  readonly #streams: Streams;
  readonly #streamFrames: StreamFrames;
  readonly #frames: ConnectionFrames<Stream>;
  /** The reason for a graceful close that waits for the first stream. Undefined if no close waits. */
  #pendingClose: string | undefined;
  #isDestroyed = false;
  /** Time at which the partial frame began to arrive, in ms of `Time.running`. Not used without a partial frame. */
  #partialFrameAt = 0;

  /** Calls `wake` when output is written while no other output waits to be taken. */
  constructor(server: ServerState, peer: ConnectionPeer, wake: () => void) {
    const { limits, time } = server;
    const writer = new FrameWriter(server.buffers, wake);
    const floodControl = new FloodControl(limits, time);
    const streams = new Streams(this, server, writer, floodControl);
    const gracefulClose = new GracefulClose(writer, this.#state);
    this.peer = peer;
    this.#server = server;
    this.#writer = writer;
    this.#timeouts = new Timeouts(limits, time.running);
    this.#gracefulClose = gracefulClose;
    this.#streams = streams;
    const { sender, table } = streams;
    const peerSettings = new PeerSettings();
    const parts = { state: this.#state, writer, sender, table, peerSettings, gracefulClose, floodControl };
    this.#streamFrames = new StreamFrames(server, streams, parts);
    this.#frames = new ConnectionFrames(parts, this.#streamFrames);
    // The connection preface of the server (3.4).
    writer.writeSettings(announcedSettings(limits));
    if (limits.connectionWindowBytes > INITIAL_WINDOW_BYTES) {
      writer.writeWindowUpdate(0, limits.connectionWindowBytes - INITIAL_WINDOW_BYTES);
    }
  }

  // The methods for the socket.

  /** True if received bytes are ignored. The socket sends the remaining output, and then closes. */
  get isClosed(): boolean {
    return this.#state.isClosed;
  }

  /** True if the socket must be destroyed without sending the bytes that it holds. */
  get isDestroyed(): boolean {
    return this.#isDestroyed;
  }

  /** True if the socket must stop reading, because the peer does not read its responses. */
  get isPaused(): boolean {
    return this.#streams.sender.unsentBytes > this.#server.limits.sendBufferBytes;
  }

  /** Handles received bytes. The caller owns the chunk. */
  receive(chunk: Buffer): void {
    if (this.isClosed) return;
    const { running: now } = this.#server.time;
    const beginsFrame = !this.#reader.hasPartialFrame;
    this.#frames.count = 0;
    try {
      this.#reader.read(chunk, this.#frames);
    } catch (error) {
      this.fail(error);
    }
    if (beginsFrame || this.#frames.count > 0) this.#partialFrameAt = now;
    this.#timeouts.received(now);
    if (this.#pendingClose !== undefined) this.#closeAfterFirstStream(this.#pendingClose);
    this.#closeIfDrained();
  }

  /** Returns the next output for the socket, or undefined if none is left. The caller owns its buffer (`FrameWriter`). */
  takeOutput(): Buffer | undefined {
    return this.#writer.takeBuffer();
  }

  /** Lets other output reuse the buffer of `output`, which was sent or copied. */
  releaseOutput(output: Buffer): void {
    this.#server.buffers.release(output);
  }

  /** Records how many bytes of output the socket holds, and sends queued bytes if there is room. */
  setUnsentBytes(bytes: number): void {
    if (this.#isDestroyed) return;
    this.#streams.sender.setUnsentBytes(bytes);
    if (!this.isClosed) this.#streams.sender.pump();
  }

  /** Checks all timeouts of the connection and of its requests. */
  checkTimeouts(): void {
    if (this.isClosed) return;
    const { time, limits } = this.#server;
    if (this.#pendingClose !== undefined) this.#closeAfterFirstStream(this.#pendingClose);
    const due = this.#timeouts.check(time.running, this);
    if (due === "ping") this.#writer.writePing(KEEPALIVE_DATA, 0);
    else if (due instanceof ConnectionError) this.fail(due);
    else if (due === "end-exchanges") this.#endExchanges();
    else if (due === "close") this.#closeAfterFirstStream(MAX_AGE);
    else if (due !== undefined) this.#gracefulClose.begin(due.closeFor, time.running);
    // If the peer does not acknowledge the PING of the graceful close in time, the second GOAWAY is sent without it.
    if (this.#gracefulClose.waitedMs(time.running) > limits.gracefulCloseMs) {
      this.#gracefulClose.finish(this.#streams.table.lastId);
    }
    const { requestMs } = limits;
    if (requestMs < Number.POSITIVE_INFINITY) {
      this.#streams.endSlowRequests(time.now - requestMs - time.pausedWithin(requestMs));
    }
    this.#closeIfDrained();
  }

  // The end of the connection.

  /**
   * Closes the connection gracefully: open streams continue to their end. If the client has not opened a stream yet,
   * first waits for one (FIRST_STREAM_MS).
   */
  drain(reason: string): void {
    if (!this.isClosed) this.#closeAfterFirstStream(reason);
  }

  /**
   * Begins the graceful close if the client has opened a stream, or has not done so in time. Otherwise keeps the reason
   * for a later call.
   */
  #closeAfterFirstStream(reason: string): void {
    const { running: now } = this.#server.time;
    const isDue = this.#streams.table.lastId > 0 || now - this.#timeouts.openedAt > FIRST_STREAM_MS;
    this.#pendingClose = isDue ? undefined : reason;
    if (isDue) this.#gracefulClose.begin(reason, now);
    this.#closeIfDrained();
  }

  /** Responds to the exchanges in flight with an error, because they took too long after the maximum age. */
  #endExchanges(): void {
    const { limits, onLimit, endExchanges } = this.#server;
    onLimit("maxConnectionAgeGraceMs", oldConnectionMessage(limits));
    endExchanges(this.peer);
  }

  #closeIfDrained(): void {
    if (this.#state.phase !== ConnectionPhase.Draining || this.openStreams > 0) return;
    if (this.#gracefulClose.isFinal || this.#state.goawayReceived) this.#state.close();
  }

  /** Closes the connection without GOAWAY, and cancels all streams. */
  abort(reason: string): void {
    this.#state.close();
    this.#streams.cancelAll(reason);
  }

  /**
   * Closes the connection with GOAWAY (5.4.1), and cancels all streams. Reports `error` if it is not a ConnectionError.
   */
  fail(error: unknown): void {
    if (this.isClosed) return;
    const isConnectionError = error instanceof ConnectionError;
    if (!isConnectionError) this.#server.onError(error);
    const { code, message } = isConnectionError ? error : new ConnectionError(ErrorCode.Internal, "internal error");
    if (error instanceof LimitError) this.#server.onLimit(error.limit, message);
    this.#writer.writeGoaway(this.#streams.table.lastId, code, message);
    this.abort(`the connection ended: ${message}`);
  }

  destroy(reason: string): void {
    this.abort(`the connection ended: ${reason}`);
    this.#streams.sender.setUnsentBytes(0);
    this.#isDestroyed = true;
    this.#writer.writeGoaway(this.#streams.table.lastId, ErrorCode.EnhanceYourCalm, reason);
  }

  becameIdle(): void {
    this.#timeouts.becameIdle(this.#server.time.running);
    this.#closeIfDrained();
  }

  // The inputs of the timeouts.

  get isSettled(): boolean {
    return this.#state.isSettled;
  }

  get partialBlockAt(): number {
    const { block } = this.#streamFrames;
    if (block !== undefined) return block.startedAt;
    const isPartial = this.#reader.hasPartialFrame && this.#reader.partialFrameType !== FrameType.Data;
    return isPartial ? this.#partialFrameAt : -1;
  }

  get openStreams(): number {
    return this.#streams.count;
  }

  get queuedBytes(): number {
    return this.#streams.sender.queuedBytes;
  }

  get sentBytes(): number {
    return this.#streams.sender.sentBytes;
  }
}
