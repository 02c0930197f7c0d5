/**
 * A connection (RFC 9113): bytes in, bytes out. It has no socket, no timer and no clock; whoever binds it hands it what
 * came, takes what it says, and lets it look at the time.
 */
import { Clocks, type Standing } from "./clocks.ts";
import { Departure } from "./departure.ts";
import { widen } from "./flow-control.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { ConnectionError, ErrorCode, FIRST_WINDOW, Flag, FrameType, read31 } from "./frames.ts";
import type { ServerState } from "./server-state.ts";
import { announcedSettings, PeerSettings } from "./settings.ts";
import { StreamFrames } from "./stream-frames.ts";
import { Streams, type StreamsHost } from "./streams.ts";
import { Tolls } from "./tolls.ts";

const PING = Buffer.alloc(8);

export class Connection implements FrameSink, StreamsHost, Standing {
  readonly #server: ServerState;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  readonly #peer = new PeerSettings();
  readonly #tolls: Tolls;
  readonly #clocks: Clocks;
  readonly #departure: Departure;
  readonly #streams: Streams;
  readonly #streamFrames: StreamFrames;
  #peerLeaves = false;
  /** Frames completed by the bytes that are being read; and when the one that is not whole began. */
  #frames = 0;
  #frameBegunAt = 0;
  /** Nothing more is read or said: what is said already is to be sent, and then the end. */
  closed = false;

  /** wake is called when there is output, and there was none. */
  constructor(server: ServerState, wake: () => void) {
    const { limits, time } = server;
    const writer = new FrameWriter(server.buffers, wake);
    const tolls = new Tolls(limits, time);
    const streams = new Streams(this, server, writer, tolls);
    const departure = new Departure(writer);
    this.#server = server;
    this.#writer = writer;
    this.#tolls = tolls;
    this.#clocks = new Clocks(limits, time.now);
    this.#departure = departure;
    this.#streams = streams;
    this.#streamFrames = new StreamFrames({ server, writer, streams, peer: this.#peer, departure, tolls });
    // The server's preface (3.4).
    writer.settings(announcedSettings(limits));
    if (limits.connectionWindowBytes > FIRST_WINDOW)
      writer.windowUpdate(0, limits.connectionWindowBytes - FIRST_WINDOW);
  }

  // What whoever binds it calls.

  /** Takes bytes that came. */
  receive(chunk: Buffer): void {
    if (this.closed) return;
    const { now } = this.#server.time;
    const begins = !this.#reader.midFrame;
    this.#frames = 0;
    try {
      this.#reader.read(chunk, this);
    } catch (error) {
      this.fail(error);
    }
    if (begins || this.#frames > 0) this.#frameBegunAt = now;
    this.#clocks.heard(now);
    this.#endIfLeft();
  }

  /** The next of what it says, to be sent; undefined where there is nothing. */
  take(): Buffer | undefined {
    return this.#writer.take();
  }

  /** Takes note of how many bytes were taken from it and not yet by the peer. */
  flushed(unsent: number): void {
    this.#streams.sender.unsent = unsent;
    if (!this.closed) this.#streams.sender.pump();
  }

  /** The peer does not take what it asks for: nothing is to be read from it. */
  get paused(): boolean {
    return this.#streams.sender.unsent > Math.max(FIRST_WINDOW, this.#server.limits.unsentBytes);
  }

  /** Looks at the time. */
  look(): void {
    if (this.closed) return;
    const { time, limits } = this.#server;
    const due = this.#clocks.look(time.now, this);
    if (due === "ping") this.#writer.ping(PING, 0);
    else if (due instanceof ConnectionError) this.fail(due);
    else if (due !== undefined) this.drain(due.leave);
    // A peer that does not answer the farewell has had the time to.
    if (this.#departure.waited(time.now) > limits.pingAnswerMs) this.#departure.finish(this.#streams.table.lastId);
    if (limits.requestMs < Number.POSITIVE_INFINITY) this.#streams.endSlowRequests(time.now - limits.requestMs);
    this.#endIfLeft();
  }

  /** Takes its leave: streams under way finish, and then it ends. */
  drain(reason: string): void {
    if (this.closed) return;
    this.#departure.begin(reason, this.#server.time.now);
    if (!this.#peer.came) this.#departure.finish(0);
    this.#endIfLeft();
  }

  /** The peer is gone, or is to be: every stream is abandoned. */
  abort(why: string): void {
    this.closed = true;
    this.#streams.abandonAll(why);
  }

  /** Ends it with GOAWAY (5.4.1). */
  fail(error: unknown): void {
    if (this.closed) return;
    const known = error instanceof ConnectionError;
    if (!known) this.#server.onError(error);
    const { code, message } = known ? error : new ConnectionError(ErrorCode.Internal, "internal error");
    this.#writer.goaway(this.#streams.table.lastId, code, message);
    this.abort(`the connection ended: ${message}`);
  }

  /** The last stream is gone. */
  idle(): void {
    this.#clocks.idle(this.#server.time.now);
    this.#endIfLeft();
  }

  #endIfLeft(): void {
    if (this.openStreams === 0 && (this.#departure.final || this.#peerLeaves)) this.closed = true;
  }

  // How it stands, for its clocks.

  get settled(): boolean {
    return this.#peer.came && this.#peer.acknowledged;
  }

  get blockBegunAt(): number {
    const block = this.#streamFrames.block;
    if (block !== undefined) return block.begunAt;
    return this.#reader.midFrame && this.#reader.midFrameType !== FrameType.Data ? this.#frameBegunAt : -1;
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

  // Frames (6).

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.#frames++;
    this.#expect(type, id);
    const frames = this.#streamFrames;
    switch (type) {
      case FrameType.Data:
        frames.data(flags, id, bytes, start, end);
        break;
      case FrameType.Headers:
        frames.headers(flags, id, bytes, start, end);
        break;
      case FrameType.Priority:
        frames.priority(id, bytes, start, end);
        break;
      case FrameType.RstStream:
        frames.rstStream(id, end - start);
        break;
      case FrameType.Settings:
        this.#settings(flags, id, bytes, start, end);
        break;
      case FrameType.PushPromise:
        // A client cannot push (8.4).
        throw new ConnectionError(ErrorCode.Protocol, "PUSH_PROMISE from a client");
      case FrameType.Ping:
        this.#ping(flags, id, bytes, start, end);
        break;
      case FrameType.Goaway:
        this.#goaway(id, end - start);
        break;
      case FrameType.WindowUpdate:
        this.#windowUpdate(id, bytes, start, end);
        break;
      case FrameType.Continuation:
        frames.continuation(flags, bytes, start, end);
        break;
      default:
        // Unknown frames are ignored (4.1).
        this.#tolls.control();
    }
  }

  /** What may come when. */
  #expect(type: number, id: number): void {
    if (!this.#peer.came && type !== FrameType.Settings) {
      throw new ConnectionError(ErrorCode.Protocol, "the first frame is not SETTINGS");
    }
    // Between HEADERS and END_HEADERS nothing else comes (6.10).
    const { block } = this.#streamFrames;
    if (block !== undefined && (type !== FrameType.Continuation || id !== block.streamId)) {
      throw new ConnectionError(ErrorCode.Protocol, `frame inside the field block of stream ${block.streamId}`);
    }
  }

  /** SETTINGS (6.5). */
  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `SETTINGS on stream ${id}`);
    if (flags & Flag.Ack) {
      if (end > start) throw new ConnectionError(ErrorCode.FrameSize, "SETTINGS acknowledgement with a payload");
      if (this.#peer.acknowledged) this.#tolls.control();
      this.#peer.acknowledged = true;
      return;
    }
    this.#tolls.control();
    const growth = this.#peer.apply(bytes, start, end);
    if (growth !== 0) this.#growWindows(growth);
    if (this.#peer.smallerTable) this.#streams.sender.smallerTable();
    // It is acknowledged before anything is said that goes by it (6.5.3).
    this.#writer.settingsAck();
    if (growth > 0) for (const stream of this.#streams.table.open.values()) this.#streams.sender.opened(stream);
  }

  /** A new SETTINGS_INITIAL_WINDOW_SIZE is a new window for the streams that are open, perhaps below 0 (6.9.2). */
  #growWindows(growth: number): void {
    for (const stream of this.#streams.table.open.values()) {
      const window = widen(stream.sendWindow, growth);
      if (window === undefined) {
        throw new ConnectionError(ErrorCode.FlowControl, `window of stream ${stream.id} exceeds 2147483647 bytes`);
      }
      stream.sendWindow = window;
    }
  }

  /** PING (6.7). */
  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `PING on stream ${id}`);
    if (end - start !== 8)
      throw new ConnectionError(ErrorCode.FrameSize, `PING of ${end - start} bytes is not 8 bytes`);
    this.#tolls.control();
    const opaque = bytes.subarray(start, end);
    if (flags & Flag.Ack) this.#departure.answered(opaque, this.#streams.table.lastId);
    else this.#writer.ping(opaque, Flag.Ack);
  }

  /** GOAWAY (6.8): the peer will begin no more streams than are on their way. */
  #goaway(id: number, length: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `GOAWAY on stream ${id}`);
    if (length < 8) throw new ConnectionError(ErrorCode.FrameSize, `GOAWAY of ${length} bytes is below 8 bytes`);
    this.#tolls.control();
    this.#peerLeaves = true;
  }

  /** WINDOW_UPDATE (6.9). */
  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      throw new ConnectionError(ErrorCode.FrameSize, `WINDOW_UPDATE of ${end - start} bytes is not 4 bytes`);
    }
    this.#tolls.control();
    const increment = read31(bytes, start);
    if (id !== 0) {
      this.#streamFrames.windowUpdate(id, increment);
      return;
    }
    if (increment === 0) throw new ConnectionError(ErrorCode.Protocol, "WINDOW_UPDATE of 0 bytes");
    const { sender } = this.#streams;
    const window = widen(sender.window, increment);
    if (window === undefined) {
      throw new ConnectionError(ErrorCode.FlowControl, "the connection's window exceeds 2147483647 bytes");
    }
    sender.window = window;
    sender.pump();
  }
}
