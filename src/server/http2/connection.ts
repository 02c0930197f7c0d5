/**
 * A connection (RFC 9113): bytes in, bytes out. It has no socket, no timer and no clock; whoever binds it hands it what
 * came, takes what it says, and lets it look at the time.
 */
import { Budget, Rate } from "./budgets.ts";
import { Clocks, type Standing } from "./clocks.ts";
import { Departure } from "./departure.ts";
import { FieldBlock } from "./field-block.ts";
import { ReceiveWindow, widen } from "./flow-control.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { ConnectionError, ErrorCode, FIRST_WINDOW, Flag, FrameType, read31 } from "./frames.ts";
import { areTrailers, type Http2RequestHead, MALFORMED } from "./request-head.ts";
import { RequestHeads } from "./request-heads.ts";
import { Sender, type SenderHost } from "./sender.ts";
import type { ServerState } from "./server-state.ts";
import { announcedSettings, PeerSettings } from "./settings.ts";
import { Stream, type StreamHost } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

const NOTHING = Buffer.alloc(0);
const PING = Buffer.alloc(8);
/** A flag of HEADERS of our own: the stream depends on itself. */
const DEPENDS_ON_ITSELF = 0x100;

export class Connection implements FrameSink, StreamHost, SenderHost, Standing {
  readonly #server: ServerState;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  readonly sender: Sender;
  readonly #streams = new StreamTable();
  readonly #heads: RequestHeads;
  readonly #peer = new PeerSettings();
  readonly #window: ReceiveWindow;
  readonly #departure: Departure;
  readonly #clocks: Clocks;
  readonly #control: Rate;
  readonly #resets: Rate;
  readonly #gathered: Budget;
  readonly #abandoned: Budget;
  #block: FieldBlock | undefined;
  #settingsCame = false;
  #acknowledged = false;
  #peerLeaves = false;
  /** Whether frames were completed by the bytes that are being read; and when the one that is not whole began. */
  #frames = 0;
  #frameBegunAt = 0;
  /** Nothing more is read or said: what is said already is to be sent, and then the end. */
  closed = false;

  /** wake is called when there is output, and there was none. */
  constructor(server: ServerState, wake: () => void) {
    const { limits, time } = server;
    this.#server = server;
    this.#writer = new FrameWriter(server.buffers, wake);
    this.#control = new Rate(limits.controlFramesPerSecond, time.now);
    this.#resets = new Rate(limits.resetsPerSecond, time.now);
    this.sender = new Sender(
      this.#writer,
      server.heads,
      time,
      this.#control,
      Math.max(FIRST_WINDOW, limits.unsentBytes / 4),
      this,
    );
    this.#heads = new RequestHeads(limits.headerListBytes);
    this.#window = new ReceiveWindow(limits.connectionWindowBytes);
    this.#departure = new Departure(this.#writer);
    this.#clocks = new Clocks(limits, time.now);
    this.#gathered = new Budget(limits.gatheredBytesPerConnection, server.gathered);
    this.#abandoned = new Budget(limits.abandonedHandlersPerConnection, server.abandoned);
    // The server's preface (3.4).
    this.#writer.settings(announcedSettings(limits));
    if (limits.connectionWindowBytes > FIRST_WINDOW) {
      this.#writer.windowUpdate(0, limits.connectionWindowBytes - FIRST_WINDOW);
    }
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
      this.#fail(error);
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
    this.sender.unsent = unsent;
    if (!this.closed) this.sender.pump();
  }

  /** The peer does not take what it asks for: nothing is to be read from it. */
  get paused(): boolean {
    return this.sender.unsent > Math.max(FIRST_WINDOW, this.#server.limits.unsentBytes);
  }

  /** Looks at the time. */
  look(): void {
    if (this.closed) return;
    const { time, limits } = this.#server;
    const due = this.#clocks.look(time.now, this);
    if (due === "ping") this.#writer.ping(PING, 0);
    else if (due !== undefined) this.#fail(due);
    // A peer that does not answer the farewell has had the time to.
    else if (this.#departure.waited(time.now) > limits.pingAnswerMs) this.#departure.finish(this.#streams.lastId);
    if (limits.requestMs < Number.POSITIVE_INFINITY) this.#lookAtRequests(time.now - limits.requestMs);
    this.#endIfLeft();
  }

  /** A request that is gathered and took too long is answered 408 (RFC 9110, 15.5.9). */
  #lookAtRequests(begunBefore: number): void {
    for (const stream of this.#streams.open.values()) {
      if (!stream.gathering || stream.openedAt >= begunBefore) continue;
      if (stream.unanswered) this.#refuse(stream.id, 408, false);
      else this.#rst(stream.id, ErrorCode.Cancel);
      this.#abandon(stream, "the request took too long");
    }
  }

  /** Takes its leave: streams under way finish, and then it ends. */
  drain(reason: string): void {
    if (this.closed) return;
    this.#departure.begin(reason, this.#server.time.now);
    if (!this.#settingsCame) this.#departure.finish(0);
    this.#endIfLeft();
  }

  /** The peer is gone, or is to be: every stream is abandoned. */
  abort(why: string): void {
    this.closed = true;
    for (const stream of this.#streams.open.values()) {
      this.#streams.open.delete(stream.id);
      stream.abandon(why);
    }
  }

  /** Ends it with GOAWAY, where the time allows that it is sent. */
  cut(reason: string): void {
    this.#fail(new ConnectionError(ErrorCode.NoError, reason));
  }

  #fail(error: unknown): void {
    if (this.closed) return;
    if (!(error instanceof ConnectionError)) this.#server.onError(error);
    const { code, message } =
      error instanceof ConnectionError ? error : new ConnectionError(ErrorCode.Internal, "internal error");
    this.#writer.goaway(this.#streams.lastId, code, message);
    this.abort(`the connection ended: ${message}`);
  }

  #endIfLeft(): void {
    if (this.openStreams === 0 && (this.#departure.final || this.#peerLeaves)) this.closed = true;
  }

  // How it stands, for its clocks.

  get settled(): boolean {
    return this.#settingsCame && this.#acknowledged;
  }

  get blockBegunAt(): number {
    if (this.#block !== undefined) return this.#block.begunAt;
    return this.#reader.midFrame && this.#reader.midFrameType !== FrameType.Data ? this.#frameBegunAt : -1;
  }

  get openStreams(): number {
    return this.#streams.open.size;
  }

  get waitingBytes(): number {
    return this.sender.waiting + this.sender.unsent;
  }

  get takenBytes(): number {
    return this.sender.said - this.sender.unsent;
  }

  // Frames.

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.#frames++;
    if (!this.#settingsCame && type !== FrameType.Settings) {
      throw new ConnectionError(ErrorCode.Protocol, "the first frame is not SETTINGS");
    }
    // Between HEADERS and END_HEADERS nothing else comes (6.10).
    if (this.#block !== undefined && (type !== FrameType.Continuation || id !== this.#block.streamId)) {
      throw new ConnectionError(ErrorCode.Protocol, `frame inside the field block of stream ${this.#block.streamId}`);
    }
    switch (type) {
      case FrameType.Data:
        this.#data(flags, id, bytes, start, end);
        return;
      case FrameType.Headers:
        this.#headers(flags, id, bytes, start, end);
        return;
      case FrameType.Priority:
        this.#priority(id, bytes, start, end);
        return;
      case FrameType.RstStream:
        this.#rstStream(id, end - start);
        return;
      case FrameType.Settings:
        this.#settings(flags, id, bytes, start, end);
        return;
      case FrameType.PushPromise:
        // A client cannot push (8.4).
        throw new ConnectionError(ErrorCode.Protocol, "PUSH_PROMISE from a client");
      case FrameType.Ping:
        this.#ping(flags, id, bytes, start, end);
        return;
      case FrameType.Goaway:
        this.#goaway(id, end - start);
        return;
      case FrameType.WindowUpdate:
        this.#windowUpdate(id, bytes, start, end);
        return;
      case FrameType.Continuation:
        this.#continuation(flags, bytes, start, end);
        return;
      default:
        // Unknown frames are ignored (4.1).
        this.#toll();
        return;
    }
  }

  /** Counts a frame that asks for work and brings none. */
  #toll(): void {
    if (!this.#control.spend(this.#server.time.now)) {
      const { controlFramesPerSecond } = this.#server.limits;
      throw new ConnectionError(
        ErrorCode.EnhanceYourCalm,
        `control frames exceed ${controlFramesPerSecond} per second`,
      );
    }
  }

  /** DATA (6.1). */
  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const padding = paddingOf(flags, bytes, start, end);
    const from = flags & Flag.Padded ? start + 1 : start;
    const last = (flags & Flag.EndStream) !== 0;
    const stream = this.#streams.find(id);
    // The whole payload counts (6.9.1). To the connection it is given back at once, so that no stream that is not read
    // holds up another; what is held is bounded by the streams' windows and by budgets.
    const increment = this.#window.release(end - start);
    if (increment > 0) this.#writer.windowUpdate(0, increment);
    const length = end - padding - from;
    if (length === 0 && (!last || stream === undefined)) this.#toll();
    if (stream === undefined && this.#streams.wasReset(id)) return;
    if (stream === undefined || !stream.remoteOpen) {
      this.#resetId(id, ErrorCode.StreamClosed);
      return;
    }
    const whole = last && stream.receiveWindow === undefined;
    if (!whole && !this.#receiveWindow(stream, end - start, end - start - length)) {
      this.#resetId(id, ErrorCode.FlowControl);
      return;
    }
    const code = stream.receive(length === 0 ? NOTHING : bytes.subarray(from, from + length), last);
    if (code !== ErrorCode.NoError) this.#resetId(id, code);
  }

  /** Takes bytes from a stream's window; padding is given back at once. */
  #receiveWindow(stream: Stream, bytes: number, padding: number): boolean {
    stream.receiveWindow ??= new ReceiveWindow(this.#server.limits.streamWindowBytes);
    // Before the peer knows our SETTINGS, it may go by the first window (6.9.3).
    if (!stream.receiveWindow.receive(bytes, this.#acknowledged ? 0 : FIRST_WINDOW)) return false;
    if (padding > 0) this.credit(stream, padding);
    return true;
  }

  /** HEADERS (6.2). */
  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const to = end - paddingOf(flags, bytes, start, end);
    let from = flags & Flag.Padded ? start + 1 : start;
    let marks = flags;
    if (flags & Flag.Priority) {
      // Priority is ignored (5.3.2), but for a stream that depends on itself, which RFC 7540 (5.3.1) calls an error.
      if (from + 5 > to) throw new ConnectionError(ErrorCode.FrameSize, "HEADERS too short for its priority");
      if (read31(bytes, from) === id) marks |= DEPENDS_ON_ITSELF;
      from += 5;
    }
    if (flags & Flag.EndHeaders) {
      this.#fieldBlock(marks, id, bytes, from, to);
      return;
    }
    this.#block = new FieldBlock(id, marks, this.#server.time.now, this.#server.limits);
    this.#block.add(bytes.subarray(from, to));
  }

  /** CONTINUATION (6.10). */
  #continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) throw new ConnectionError(ErrorCode.Protocol, "CONTINUATION without HEADERS before it");
    block.add(bytes.subarray(start, end));
    if (!(flags & Flag.EndHeaders)) return;
    this.#block = undefined;
    const whole = block.whole();
    this.#fieldBlock(block.flags, block.streamId, whole, 0, whole.length);
  }

  /** A whole field block: a request's head, or its trailers (8.1). It is decoded whatever becomes of the stream (4.3). */
  #fieldBlock(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#streams.begins(id)) {
      this.#trailers(flags, id, bytes, start, end);
      return;
    }
    const head = this.#heads.decode(bytes, start, end);
    const last = (flags & Flag.EndStream) !== 0;
    if (flags & DEPENDS_ON_ITSELF || head === MALFORMED) {
      this.#resetId(id, ErrorCode.Protocol);
      return;
    }
    if (this.#refuses(id)) {
      this.#resetId(id, ErrorCode.RefusedStream);
      return;
    }
    if (typeof head === "number") {
      this.#refuse(id, head, last);
      return;
    }
    if (last && head.contentLength > 0) {
      this.#resetId(id, ErrorCode.Protocol);
      return;
    }
    this.#begin(id, head, last);
  }

  #begin(id: number, head: Http2RequestHead, last: boolean): void {
    const stream = new Stream(this, id, head, this.#peer.initialWindowSize, this.#server.time.now);
    stream.remoteOpen = !last;
    this.#streams.open.set(id, stream);
    try {
      this.#server.handler(stream);
    } catch (error) {
      this.threw(stream, error);
    }
  }

  /** Streams over SETTINGS_MAX_CONCURRENT_STREAMS (5.1.2), after the last of a GOAWAY (6.8), or more than can be served. */
  #refuses(id: number): boolean {
    return (
      this.openStreams >= this.#server.limits.concurrentStreams ||
      id > this.#departure.lastStreamId ||
      this.#server.abandoned.spent
    );
  }

  /** Answers a request that no handler sees. */
  #refuse(id: number, status: number, last: boolean): void {
    this.sender.refuse(id, { status, fields: [] });
    if (!last) this.#rst(id, ErrorCode.NoError);
  }

  #trailers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const list = this.#heads.list(bytes, start, end);
    const stream = this.#streams.open.get(id);
    if (stream === undefined) {
      this.#toll();
      return;
    }
    if (!stream.remoteOpen) {
      // Half-closed (remote) (5.1).
      this.#resetId(id, ErrorCode.StreamClosed);
      return;
    }
    if (list === undefined) {
      this.#resetId(id, ErrorCode.EnhanceYourCalm);
      return;
    }
    // Trailers end the stream (8.1).
    if (!(flags & Flag.EndStream) || !areTrailers(list)) {
      this.#resetId(id, ErrorCode.Protocol);
      return;
    }
    const code = stream.receive(NOTHING, true);
    if (code !== ErrorCode.NoError) this.#resetId(id, code);
  }

  /** PRIORITY (6.3) is read and ignored (5.3.2). */
  #priority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(ErrorCode.Protocol, "PRIORITY on stream 0");
    this.#toll();
    if (end - start !== 5) {
      this.#resetId(id, ErrorCode.FrameSize);
      return;
    }
    if (read31(bytes, start) === id) this.#resetId(id, ErrorCode.Protocol);
  }

  /** RST_STREAM (6.4). Each counts, whatever its stream is: a request that is answered at once costs as much. */
  #rstStream(id: number, length: number): void {
    if (length !== 4) throw new ConnectionError(ErrorCode.FrameSize, `RST_STREAM of ${length} bytes is not 4 bytes`);
    const stream = this.#streams.find(id);
    if (stream !== undefined) this.#abandon(stream, "the peer reset the stream");
    this.#countReset();
  }

  #countReset(): void {
    if (this.#resets.spend(this.#server.time.now)) return;
    const { resetsPerSecond } = this.#server.limits;
    throw new ConnectionError(ErrorCode.EnhanceYourCalm, `reset streams exceed ${resetsPerSecond} per second`);
  }

  /** SETTINGS (6.5). */
  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `SETTINGS on stream ${id}`);
    if (flags & Flag.Ack) {
      if (end > start) throw new ConnectionError(ErrorCode.FrameSize, "SETTINGS acknowledgement with a payload");
      if (this.#acknowledged) this.#toll();
      this.#acknowledged = true;
      return;
    }
    this.#toll();
    this.#settingsCame = true;
    const growth = this.#peer.apply(bytes, start, end);
    if (growth !== 0) this.#growWindows(growth);
    if (this.#peer.smallerTable) this.sender.smallerTable();
    // It is acknowledged before anything is said that goes by it (6.5.3).
    this.#writer.settingsAck();
    if (growth > 0) for (const stream of this.#streams.open.values()) this.sender.opened(stream);
  }

  /** A new SETTINGS_INITIAL_WINDOW_SIZE is a new window for the streams that are open, perhaps below 0 (6.9.2). */
  #growWindows(growth: number): void {
    for (const stream of this.#streams.open.values()) {
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
    this.#toll();
    const opaque = bytes.subarray(start, end);
    if (flags & Flag.Ack) this.#departure.answered(opaque, this.#streams.lastId);
    else this.#writer.ping(opaque, Flag.Ack);
  }

  /** GOAWAY (6.8): the peer will begin no more streams than are on their way. */
  #goaway(id: number, length: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `GOAWAY on stream ${id}`);
    if (length < 8) throw new ConnectionError(ErrorCode.FrameSize, `GOAWAY of ${length} bytes is below 8 bytes`);
    this.#toll();
    this.#peerLeaves = true;
  }

  /** WINDOW_UPDATE (6.9). */
  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      throw new ConnectionError(ErrorCode.FrameSize, `WINDOW_UPDATE of ${end - start} bytes is not 4 bytes`);
    }
    this.#toll();
    const increment = read31(bytes, start);
    if (id === 0) {
      this.#widenConnection(increment);
      return;
    }
    const stream = this.#streams.find(id);
    if (stream === undefined) return;
    if (increment === 0) {
      this.#resetId(id, ErrorCode.Protocol);
      return;
    }
    const window = widen(stream.sendWindow, increment);
    if (window === undefined) {
      this.#resetId(id, ErrorCode.FlowControl);
      return;
    }
    stream.sendWindow = window;
    this.sender.opened(stream);
  }

  #widenConnection(increment: number): void {
    if (increment === 0) throw new ConnectionError(ErrorCode.Protocol, "WINDOW_UPDATE of 0 bytes");
    const window = widen(this.sender.window, increment);
    if (window === undefined) {
      throw new ConnectionError(ErrorCode.FlowControl, "the connection's window exceeds 2147483647 bytes");
    }
    this.sender.window = window;
    this.sender.pump();
  }

  // What streams ask of it.

  get gatherBytes(): number {
    return this.#server.limits.gatheredBytesPerStream;
  }

  hold(bytes: number): boolean {
    return this.#gathered.take(bytes);
  }

  release(bytes: number): void {
    this.#gathered.giveBack(bytes);
  }

  credit(stream: Stream, bytes: number): void {
    const increment = stream.receiveWindow?.release(bytes) ?? 0;
    if (increment > 0) this.#writer.windowUpdate(stream.id, increment);
  }

  reset(stream: Stream, code: ErrorCode): void {
    this.#rst(stream.id, code);
    this.#abandon(stream, "the exchange was reset");
  }

  orphaned(): void {
    this.#abandoned.add(1);
    if (this.closed || !this.#abandoned.exceeded) return;
    const { abandonedHandlersPerConnection } = this.#server.limits;
    this.#fail(
      new ConnectionError(
        ErrorCode.EnhanceYourCalm,
        `handlers running for reset streams exceed ${abandonedHandlersPerConnection}`,
      ),
    );
  }

  stopped(): void {
    this.#abandoned.giveBack(1);
  }

  threw(stream: Stream, error: unknown): void {
    this.#server.onError(error);
    stream.reset("internal");
  }

  /** A stream's answer is whole. Where its request is not, the peer is told to stop, and that it was no error (8.1). */
  answered(stream: Stream): void {
    this.#control.earn(2);
    if (stream.remoteOpen) this.#rst(stream.id, ErrorCode.NoError);
    stream.finish();
    this.#remove(stream);
  }

  // The end of streams.

  /** Resets a stream for its peer's error (5.4.2), open or not. */
  #resetId(id: number, code: ErrorCode): void {
    this.#rst(id, code);
    const stream = this.#streams.open.get(id);
    if (stream !== undefined) this.#abandon(stream, "the stream was in error");
    this.#countReset();
  }

  #rst(id: number, code: ErrorCode): void {
    this.#writer.rstStream(id, code);
    this.#streams.rememberReset(id);
  }

  #abandon(stream: Stream, why: string): void {
    this.#remove(stream);
    stream.abandon(why);
  }

  #remove(stream: Stream): void {
    this.#streams.open.delete(stream.id);
    if (this.openStreams > 0) return;
    this.#clocks.idle(this.#server.time.now);
    this.#endIfLeft();
  }
}

/** The bytes of padding at a payload's end (6.1). */
function paddingOf(flags: number, bytes: Buffer, start: number, end: number): number {
  if (!(flags & Flag.Padded)) return 0;
  const padding = bytes[start] as number;
  if (start === end || padding >= end - start)
    throw new ConnectionError(ErrorCode.Protocol, "padding exceeds its frame");
  return padding;
}
