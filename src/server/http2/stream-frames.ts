/** Handles the frames that a client sends on streams, such as HEADERS and DATA (RFC 9113, 6). */
import { NO_BUFFER } from "../http/append-bytes.ts";
import type { ConnectionParts, StreamFrameHandler } from "./common/connection-frames.ts";
import type { ConnectionState } from "./common/connection-state.ts";
import { FieldBlock } from "./common/field-block.ts";
import type { FloodControl } from "./common/flood-control.ts";
import { ReceiveWindow, widen } from "./common/flow-control.ts";
import type { GracefulClose } from "./common/graceful-close.ts";
import type { PeerSettings } from "./common/settings.ts";
import { ConnectionError, ErrorCode, Flag, INITIAL_WINDOW_BYTES, readUint31 } from "./frames/types.ts";
import type { FrameWriter } from "./frames/writer.ts";
import { RequestDecoder } from "./headers/request-decoder.ts";
import { areTrailers } from "./headers/request-head.ts";
import type { ServerState } from "./server-state.ts";
import type { Stream } from "./streams/stream.ts";
import type { Streams } from "./streams/streams.ts";

/** A flag that this file adds to those of HEADERS: the stream depends on itself. */
const DEPENDS_ON_ITSELF = 0x100;

export class StreamFrames implements StreamFrameHandler {
  readonly #server: ServerState;
  readonly #streams: Streams;
  readonly #state: ConnectionState;
  readonly #writer: FrameWriter;
  readonly #peerSettings: PeerSettings;
  readonly #gracefulClose: GracefulClose;
  readonly #floodControl: FloodControl;
  readonly #decoder: RequestDecoder;
  /** The connection's window for received DATA (6.9). */
  readonly #window: ReceiveWindow;
  #block: FieldBlock | undefined;

  constructor(server: ServerState, streams: Streams, parts: ConnectionParts<Stream>) {
    this.#server = server;
    this.#streams = streams;
    this.#state = parts.state;
    this.#writer = parts.writer;
    this.#peerSettings = parts.peerSettings;
    this.#gracefulClose = parts.gracefulClose;
    this.#floodControl = parts.floodControl;
    this.#decoder = new RequestDecoder(server.limits.headerListBytes);
    this.#window = new ReceiveWindow(parts.writer, 0, server.limits.connectionWindowBytes);
  }

  get block(): FieldBlock | undefined {
    return this.#block;
  }

  /** Handles DATA (6.1). */
  data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const to = end - paddingOf(flags, bytes, start, end);
    const from = flags & Flag.Padded ? start + 1 : start;
    const endsStream = (flags & Flag.EndStream) !== 0;
    const stream = this.#streams.table.find(id);
    // The connection's window counts padding too (6.9.1). Its credit is given back immediately, because a stream whose
    // body is not read must not block other streams. The windows of streams and the budgets limit buffered bytes.
    this.#window.release(end - start);
    if (from === to && (!endsStream || stream === undefined)) this.#floodControl.countControlFrame();
    if (stream === undefined && this.#streams.table.wasReset(id)) return;
    if (!stream?.isRemoteOpen) {
      this.#streams.fail(id, ErrorCode.StreamClosed);
      return;
    }
    // A body in a single DATA frame is not counted in a window: its stream ends, so no WINDOW_UPDATE follows.
    const isWhole = endsStream && stream.receiveWindow === undefined;
    if (!isWhole && !this.#receiveIntoWindow(stream, end - start, end - start - (to - from))) {
      this.#streams.fail(id, ErrorCode.FlowControl);
      return;
    }
    this.#receive(stream, from === to ? NO_BUFFER : bytes.subarray(from, to), endsStream);
  }

  /** Passes a piece of a body to `stream`, and resets the stream if `Stream.receive` returns an error. */
  #receive(stream: Stream, piece: Buffer, endsStream: boolean): void {
    const code = stream.receive(piece, endsStream);
    // Flood control does not count this reset, because other peers may have used up the shared budget.
    if (code === ErrorCode.EnhanceYourCalm) this.#streams.refuse(stream.id, code, 503);
    else if (code !== ErrorCode.NoError) this.#streams.fail(stream.id, code);
  }

  /**
   * Counts received bytes in a stream's window, and gives credit for padding immediately. Returns false if the bytes
   * exceed the window.
   */
  #receiveIntoWindow(stream: Stream, bytes: number, padding: number): boolean {
    stream.receiveWindow ??= new ReceiveWindow(this.#writer, stream.id, this.#server.limits.streamWindowBytes);
    // A peer that has not received SETTINGS yet may use the initial window (6.9.3).
    const assumedSize = this.#state.settingsAcknowledged ? 0 : INITIAL_WINDOW_BYTES;
    if (!stream.receiveWindow.receive(bytes, assumedSize)) return false;
    if (padding > 0) stream.receiveWindow.release(padding);
    return true;
  }

  /** Handles HEADERS (6.2). */
  headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const to = end - paddingOf(flags, bytes, start, end);
    let from = flags & Flag.Padded ? start + 1 : start;
    let allFlags = flags;
    if (flags & Flag.Priority) {
      // Priority is ignored (5.3.2), but a stream that depends on itself is an error (RFC 7540, 5.3.1).
      if (from + 5 > to) throw new ConnectionError(ErrorCode.FrameSize, "HEADERS too short for its priority");
      if (readUint31(bytes, from) === id) allFlags |= DEPENDS_ON_ITSELF;
      from += 5;
    }
    if (flags & Flag.EndHeaders) {
      this.#completeBlock(allFlags, id, bytes, from, to);
    } else {
      this.#block = new FieldBlock(id, allFlags, this.#server.time.running, this.#server.limits);
      this.#block.add(bytes.subarray(from, to));
    }
  }

  /** Handles CONTINUATION (6.10). */
  continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) throw new ConnectionError(ErrorCode.Protocol, "CONTINUATION without HEADERS before it");
    block.add(bytes.subarray(start, end));
    if (!(flags & Flag.EndHeaders)) return;
    this.#block = undefined;
    const complete = block.toBuffer();
    this.#completeBlock(block.flags, block.streamId, complete, 0, complete.length);
  }

  /**
   * Handles a complete field block: the head or the trailers of a request (8.1). Decodes it even if the stream is
   * refused, because HPACK has state (4.3).
   */
  #completeBlock(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#streams.table.opensStream(id)) {
      this.#trailers(flags, id, bytes, start, end);
      return;
    }
    this.#streams.table.use(id);
    const head = this.#decoder.decode(bytes, start, end);
    const endsStream = (flags & Flag.EndStream) !== 0;
    if (flags & DEPENDS_ON_ITSELF || head === "malformed") this.#streams.fail(id, ErrorCode.Protocol);
    else if (this.#streams.count >= this.#server.limits.concurrentStreams) this.#refuseAboveLimit(id);
    else if (this.#server.cancelledHandlers.isFull) this.#refuseForHandlers(id);
    // Streams above the identifier in the second GOAWAY of a graceful close are not served (6.8).
    else if (id > this.#gracefulClose.lastStreamId) this.#streams.refuse(id, ErrorCode.RefusedStream);
    else if (typeof head === "number") {
      if (head === 431) {
        const { headerListBytes } = this.#server.limits;
        this.#server.onLimit("headerListBytes", `header list exceeds ${headerListBytes} bytes`);
      }
      this.#streams.respondWithStatus(id, head, endsStream);
    } else if (endsStream && head.contentLength > 0) this.#streams.fail(id, ErrorCode.Protocol);
    else this.#streams.open(id, head, this.#peerSettings.initialWindowSize, endsStream);
  }

  /** Refuses a stream above the announced SETTINGS_MAX_CONCURRENT_STREAMS (5.1.2). */
  #refuseAboveLimit(id: number): void {
    const { concurrentStreams } = this.#server.limits;
    this.#server.onLimit("concurrentStreams", `streams of a connection exceed ${concurrentStreams}`);
    this.#streams.fail(id, ErrorCode.RefusedStream);
  }

  /** Refuses a stream because too many handlers are still running for cancelled streams. */
  #refuseForHandlers(id: number): void {
    const { cancelledHandlers } = this.#server.limits;
    this.#server.onLimit("cancelledHandlers", `handlers running for reset streams exceed ${cancelledHandlers}`);
    this.#streams.refuse(id, ErrorCode.RefusedStream);
  }

  /** Handles a complete field block that does not open a stream. */
  #trailers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const list = this.#decoder.decodeList(bytes, start, end);
    const stream = this.#streams.table.open.get(id);
    // This side has reset the stream. The client may have sent trailers before it received RST_STREAM.
    if (stream === undefined) this.#floodControl.countControlFrame();
    else if (!stream.isRemoteOpen) this.#streams.fail(id, ErrorCode.StreamClosed);
    else if (list === undefined) this.#streams.fail(id, ErrorCode.EnhanceYourCalm);
    // Trailers must end the stream (8.1).
    else if (!(flags & Flag.EndStream) || !areTrailers(list)) this.#streams.fail(id, ErrorCode.Protocol);
    else this.#receive(stream, NO_BUFFER, true);
  }

  /** Handles PRIORITY (6.3), which is ignored if it is valid (5.3.2). */
  priority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(ErrorCode.Protocol, "PRIORITY on stream 0");
    this.#floodControl.countControlFrame();
    if (end - start !== 5) this.#streams.fail(id, ErrorCode.FrameSize);
    else if (readUint31(bytes, start) === id) this.#streams.fail(id, ErrorCode.Protocol);
  }

  /**
   * Handles RST_STREAM (6.4). Counts the frame even if the stream is closed already, because its request has cost work
   * too.
   */
  rstStream(id: number, length: number): void {
    if (length !== 4) throw new ConnectionError(ErrorCode.FrameSize, `RST_STREAM of ${length} bytes is not 4 bytes`);
    const stream = this.#streams.table.find(id);
    if (stream !== undefined) this.#streams.cancel(stream, "the peer reset the stream");
    this.#floodControl.countReset();
  }

  /** Handles PUSH_PROMISE (6.6), which a client may not send (8.4). */
  pushPromise(): void {
    throw new ConnectionError(ErrorCode.Protocol, "PUSH_PROMISE from a client");
  }

  /** Handles WINDOW_UPDATE of a stream (6.9). */
  windowUpdate(id: number, increment: number): void {
    const stream = this.#streams.table.find(id);
    if (stream === undefined) return;
    const window = widen(stream.sendWindow, increment);
    if (increment === 0) this.#streams.fail(id, ErrorCode.Protocol);
    else if (window === undefined) this.#streams.fail(id, ErrorCode.FlowControl);
    else {
      stream.sendWindow = window;
      this.#streams.sender.windowOpened(stream);
    }
  }
}

/**
 * Returns the number of padding bytes at the end of a payload (6.1). Throws ConnectionError if the padding exceeds the
 * payload.
 */
function paddingOf(flags: number, bytes: Buffer, start: number, end: number): number {
  if (!(flags & Flag.Padded)) return 0;
  const padding = bytes[start] as number;
  if (start === end || padding >= end - start) {
    throw new ConnectionError(ErrorCode.Protocol, "padding exceeds its frame");
  }
  return padding;
}
