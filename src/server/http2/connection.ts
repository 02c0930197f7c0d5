/**
 * A connection (RFC 9113): bytes in, bytes out. It has no socket, no timer and no clock; whoever binds it hands it what
 * came, takes what it says, and lets it look at the time.
 */
import type { Peer } from "../http/exchange.ts";
import { ConnectionFrames } from "./common/connection-frames.ts";
import { Tolls } from "./common/flood-control.ts";
import { Departure } from "./common/graceful-close.ts";
import { LimitError } from "./common/limit-error.ts";
import { announcedSettings, PeerSettings } from "./common/settings.ts";
import { Clocks, type Standing } from "./common/timeouts.ts";
import { FrameReader } from "./frames/reader.ts";
import { ConnectionError, ErrorCode, FrameType, INITIAL_WINDOW_BYTES } from "./frames/types.ts";
import { FrameWriter } from "./frames/writer.ts";
import type { ServerState } from "./server-state.ts";
import { StreamFrames } from "./stream-frames.ts";
import { Streams, type StreamsHost } from "./streams/streams.ts";

const PING = Buffer.alloc(8);
/**
 * ms in which a connection that the server wants to leave may begin its first stream. A client that hears GOAWAY before
 * that takes the connection for one that failed.
 */
const FIRST_STREAM_MS = 1_000;

export class Connection implements StreamsHost, Standing {
  readonly peer: Peer;
  readonly #server: ServerState;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  readonly #peer = new PeerSettings();
  readonly #clocks: Clocks;
  readonly #departure: Departure;
  readonly #streams: Streams;
  readonly #streamFrames: StreamFrames;
  readonly #frames: ConnectionFrames;
  /** Why it is to be left once it has had a stream; undefined while it is not to, and when the leave is begun. */
  #wantsToLeave: string | undefined;
  /** True if the socket is to be destroyed, with what it holds. */
  dropped = false;
  /** When the frame began that is not whole. */
  #frameBegunAt = 0;

  /** wake is called when there is output, and there was none. */
  constructor(server: ServerState, peer: Peer, wake: () => void) {
    const { limits, time } = server;
    const writer = new FrameWriter(server.buffers, wake);
    const tolls = new Tolls(limits, time);
    const streams = new Streams(this, server, writer, tolls);
    const departure = new Departure(writer);
    this.peer = peer;
    this.#server = server;
    this.#writer = writer;
    this.#clocks = new Clocks(limits, time.running);
    this.#departure = departure;
    this.#streams = streams;
    const parts = { server, writer, streams, peer: this.#peer, departure, tolls };
    this.#streamFrames = new StreamFrames(parts);
    this.#frames = new ConnectionFrames(parts, this.#streamFrames);
    // The server's preface (3.4).
    writer.writeSettings(announcedSettings(limits));
    if (limits.connectionWindowBytes > INITIAL_WINDOW_BYTES)
      writer.writeWindowUpdate(0, limits.connectionWindowBytes - INITIAL_WINDOW_BYTES);
  }

  /** Nothing more is read or said: what is said already is to be sent, and then the end. */
  get closed(): boolean {
    return this.#frames.closed;
  }

  #close(): void {
    this.#frames.closed = true;
  }

  // What whoever binds it calls.

  /** Takes bytes that came. */
  receive(chunk: Buffer): void {
    if (this.closed) return;
    const { running: now } = this.#server.time;
    const begins = !this.#reader.hasPartialFrame;
    this.#frames.count = 0;
    try {
      this.#reader.read(chunk, this.#frames);
    } catch (error) {
      this.fail(error);
    }
    if (begins || this.#frames.count > 0) this.#frameBegunAt = now;
    this.#clocks.heard(now);
    if (this.#wantsToLeave !== undefined) this.#leaveIfBegun(this.#wantsToLeave);
    this.#endIfLeft();
  }

  /** The next of what it says, to be sent; undefined where there is nothing. */
  take(): Buffer | undefined {
    return this.#writer.takeBuffer();
  }

  /** Takes note of how many bytes were taken from it and not yet by the peer. */
  flushed(unsent: number): void {
    if (this.dropped) return;
    this.#streams.sender.flushed(unsent);
    if (!this.closed) this.#streams.sender.pump();
  }

  /** The peer does not take what it asks for: nothing is to be read from it. */
  get paused(): boolean {
    return this.#streams.sender.unsent > this.#server.limits.sendBufferBytes;
  }

  /** Looks at the time. */
  look(): void {
    if (this.closed) return;
    const { time, limits } = this.#server;
    if (this.#wantsToLeave !== undefined) this.#leaveIfBegun(this.#wantsToLeave);
    const due = this.#clocks.look(time.running, this);
    if (due === "ping") this.#writer.writePing(PING, 0);
    else if (due instanceof ConnectionError) this.fail(due);
    else if (due !== undefined) this.#departure.begin(due.leave, time.running);
    // A peer that does not answer the farewell has had the time to.
    if (this.#departure.waited(time.running) > limits.gracefulCloseMs)
      this.#departure.finish(this.#streams.table.lastId);
    const { requestMs } = limits;
    if (requestMs < Number.POSITIVE_INFINITY)
      this.#streams.endSlowRequests(time.now - requestMs - time.lostWithin(requestMs));
    this.#endIfLeft();
  }

  /** Takes its leave: streams under way finish, and then it ends. */
  drain(reason: string): void {
    if (!this.closed) this.#leaveIfBegun(reason);
  }

  #leaveIfBegun(reason: string): void {
    const { running: now } = this.#server.time;
    const begun = this.#streams.table.lastId > 0 || now - this.#clocks.openedAt > FIRST_STREAM_MS;
    this.#wantsToLeave = begun ? undefined : reason;
    if (begun) this.#departure.begin(reason, now);
    this.#endIfLeft();
  }

  /** The peer is gone, or is to be: every stream is abandoned. */
  abort(why: string): void {
    this.#close();
    this.#streams.abandonAll(why);
  }

  /** Ends it with GOAWAY (5.4.1). */
  fail(error: unknown): void {
    if (this.closed) return;
    const known = error instanceof ConnectionError;
    if (!known) this.#server.onError(error);
    const { code, message } = known ? error : new ConnectionError(ErrorCode.Internal, "internal error");
    if (error instanceof LimitError) this.#server.onLimit(error.limit, message);
    this.#writer.writeGoaway(this.#streams.table.lastId, code, message);
    this.abort(`the connection ended: ${message}`);
  }

  /** Ends it without the bytes that the peer has not taken. */
  drop(why: string): void {
    this.abort(`the connection ended: ${why}`);
    this.#streams.sender.flushed(0);
    this.dropped = true;
    this.#writer.writeGoaway(this.#streams.table.lastId, ErrorCode.EnhanceYourCalm, why);
  }

  /** The last stream is gone. */
  idle(): void {
    this.#clocks.idle(this.#server.time.running);
    this.#endIfLeft();
  }

  #endIfLeft(): void {
    if (this.openStreams === 0 && (this.#departure.final || this.#frames.peerLeaves)) this.#close();
  }

  // How it stands, for its clocks.

  get settled(): boolean {
    return this.#peer.came && this.#peer.acknowledged;
  }

  get blockBegunAt(): number {
    const block = this.#streamFrames.block;
    if (block !== undefined) return block.startedAt;
    return this.#reader.hasPartialFrame && this.#reader.partialFrameType !== FrameType.Data ? this.#frameBegunAt : -1;
  }

  get openStreams(): number {
    return this.#streams.count;
  }

  get waitingBytes(): number {
    return this.#streams.sender.waiting + this.#streams.sender.unsent;
  }

  get takenBytes(): number {
    return this.#streams.sender.said - this.#streams.sender.unsent;
  }
}
