/** The frames of streams: DATA, HEADERS, CONTINUATION, PRIORITY, RST_STREAM and their WINDOW_UPDATE (RFC 9113, 6). */

import { FieldBlock } from "./common/field-block.ts";
import type { Tolls } from "./common/flood-control.ts";
import { ReceiveWindow, widen } from "./common/flow-control.ts";
import type { Departure } from "./common/graceful-close.ts";
import type { PeerSettings } from "./common/settings.ts";
import { ConnectionError, ErrorCode, Flag, INITIAL_WINDOW_BYTES, readUint31 } from "./frames/types.ts";
import type { FrameWriter } from "./frames/writer.ts";
import { RequestDecoder } from "./headers/request-decoder.ts";
import { areTrailers, MALFORMED } from "./headers/request-head.ts";
import type { ServerState } from "./server-state.ts";
import type { Stream } from "./streams/stream.ts";
import type { Streams } from "./streams/streams.ts";

const NOTHING = Buffer.alloc(0);
/** A flag of HEADERS of our own: the stream depends on itself. */
const DEPENDS_ON_ITSELF = 0x100;

/** What frames go by, and what they change. */
export interface ConnectionParts {
  readonly server: ServerState;
  readonly writer: FrameWriter;
  readonly streams: Streams;
  readonly peer: PeerSettings;
  readonly departure: Departure;
  readonly tolls: Tolls;
}

export class StreamFrames {
  readonly #server: ServerState;
  readonly #writer: FrameWriter;
  readonly #streams: Streams;
  readonly #peer: PeerSettings;
  readonly #departure: Departure;
  readonly #tolls: Tolls;
  readonly #heads: RequestDecoder;
  /** The connection's window for what comes (6.9). */
  readonly #window: ReceiveWindow;
  /** The field block that is not whole. */
  block: FieldBlock | undefined;

  constructor({ server, writer, streams, peer, departure, tolls }: ConnectionParts) {
    this.#server = server;
    this.#writer = writer;
    this.#streams = streams;
    this.#peer = peer;
    this.#departure = departure;
    this.#tolls = tolls;
    this.#heads = new RequestDecoder(server.limits.headerListBytes);
    this.#window = new ReceiveWindow(server.limits.connectionWindowBytes);
  }

  /** DATA (6.1). */
  data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const to = end - paddingOf(flags, bytes, start, end);
    const from = flags & Flag.Padded ? start + 1 : start;
    const last = (flags & Flag.EndStream) !== 0;
    const stream = this.#streams.table.find(id);
    // The whole payload counts (6.9.1). To the connection it is given back at once, so that no stream that is not read
    // holds up another; what is held is bounded by the streams' windows and by budgets.
    const increment = this.#window.release(end - start);
    if (increment > 0) this.#writer.writeWindowUpdate(0, increment);
    if (from === to && (!last || stream === undefined)) this.#tolls.control();
    if (stream === undefined && this.#streams.table.wasReset(id)) return;
    if (stream === undefined || !stream.remoteOpen) {
      this.#streams.error(id, ErrorCode.StreamClosed);
      return;
    }
    const whole = last && stream.receiveWindow === undefined;
    if (!whole && !this.#receiveWindow(stream, end - start, end - start - (to - from))) {
      this.#streams.error(id, ErrorCode.FlowControl);
      return;
    }
    this.#receive(stream, from === to ? NOTHING : bytes.subarray(from, to), last);
  }

  #receive(stream: Stream, piece: Buffer, last: boolean): void {
    const code = stream.receive(piece, last);
    // There is no room for it, which all peers share.
    if (code === ErrorCode.EnhanceYourCalm) this.#streams.giveUp(stream.id, code);
    else if (code !== ErrorCode.NoError) this.#streams.error(stream.id, code);
  }

  /** Takes bytes from a stream's window; padding is given back at once. */
  #receiveWindow(stream: Stream, bytes: number, padding: number): boolean {
    stream.receiveWindow ??= new ReceiveWindow(this.#server.limits.streamWindowBytes);
    // Before the peer knows our SETTINGS, it may go by the first window (6.9.3).
    if (!stream.receiveWindow.receive(bytes, this.#peer.acknowledged ? 0 : INITIAL_WINDOW_BYTES)) return false;
    if (padding > 0) this.#streams.credit(stream, padding);
    return true;
  }

  /** HEADERS (6.2). */
  headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const to = end - paddingOf(flags, bytes, start, end);
    let from = flags & Flag.Padded ? start + 1 : start;
    let marks = flags;
    if (flags & Flag.Priority) {
      // Priority is ignored (5.3.2), but for a stream that depends on itself, which RFC 7540 (5.3.1) calls an error.
      if (from + 5 > to) throw new ConnectionError(ErrorCode.FrameSize, "HEADERS too short for its priority");
      if (readUint31(bytes, from) === id) marks |= DEPENDS_ON_ITSELF;
      from += 5;
    }
    if (flags & Flag.EndHeaders) {
      this.#whole(marks, id, bytes, from, to);
    } else {
      this.block = new FieldBlock(id, marks, this.#server.time.running, this.#server.limits);
      this.block.add(bytes.subarray(from, to));
    }
  }

  /** CONTINUATION (6.10). */
  continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const block = this.block;
    if (block === undefined) throw new ConnectionError(ErrorCode.Protocol, "CONTINUATION without HEADERS before it");
    block.add(bytes.subarray(start, end));
    if (!(flags & Flag.EndHeaders)) return;
    this.block = undefined;
    const whole = block.toBuffer();
    this.#whole(block.flags, block.streamId, whole, 0, whole.length);
  }

  /**
   * A whole field block: a request's head, or its trailers (8.1). It is decoded whatever becomes of the stream (4.3).
   */
  #whole(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#streams.table.begins(id)) {
      this.#trailers(flags, id, bytes, start, end);
      return;
    }
    const head = this.#heads.decode(bytes, start, end);
    const last = (flags & Flag.EndStream) !== 0;
    if (flags & DEPENDS_ON_ITSELF || head === MALFORMED) this.#streams.error(id, ErrorCode.Protocol);
    else if (this.#streams.full) this.#streams.error(id, ErrorCode.RefusedStream);
    // After the last stream of a GOAWAY no more are served (6.8).
    else if (this.#streams.overloaded || id > this.#departure.lastStreamId) {
      this.#streams.giveUp(id, ErrorCode.RefusedStream);
    } else if (typeof head === "number") {
      if (head === 431) {
        const { headerListBytes } = this.#server.limits;
        this.#server.onLimit("headerListBytes", `header list exceeds ${headerListBytes} bytes`);
      }
      this.#streams.refuse(id, head, last);
    } else if (last && head.contentLength > 0) this.#streams.error(id, ErrorCode.Protocol);
    else this.#streams.begin(id, head, this.#peer.initialWindowSize, last);
  }

  #trailers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const list = this.#heads.decodeList(bytes, start, end);
    const stream = this.#streams.table.open.get(id);
    // Late ones, of a stream that was reset here.
    if (stream === undefined) this.#tolls.control();
    // Half-closed (remote) (5.1).
    else if (!stream.remoteOpen) this.#streams.error(id, ErrorCode.StreamClosed);
    else if (list === undefined) this.#streams.error(id, ErrorCode.EnhanceYourCalm);
    // Trailers end the stream (8.1).
    else if (!(flags & Flag.EndStream) || !areTrailers(list)) this.#streams.error(id, ErrorCode.Protocol);
    else this.#receive(stream, NOTHING, true);
  }

  /** PRIORITY (6.3) is read and ignored (5.3.2). */
  priority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(ErrorCode.Protocol, "PRIORITY on stream 0");
    this.#tolls.control();
    if (end - start !== 5) this.#streams.error(id, ErrorCode.FrameSize);
    else if (readUint31(bytes, start) === id) this.#streams.error(id, ErrorCode.Protocol);
  }

  /** RST_STREAM (6.4). Each counts, whatever its stream is: a request that is answered at once costs as much. */
  rstStream(id: number, length: number): void {
    if (length !== 4) throw new ConnectionError(ErrorCode.FrameSize, `RST_STREAM of ${length} bytes is not 4 bytes`);
    const stream = this.#streams.table.find(id);
    if (stream !== undefined) this.#streams.abandon(stream, "the peer reset the stream");
    this.#tolls.reset();
  }

  /** WINDOW_UPDATE of a stream (6.9). */
  windowUpdate(id: number, increment: number): void {
    const stream = this.#streams.table.find(id);
    if (stream === undefined) return;
    const window = widen(stream.sendWindow, increment);
    if (increment === 0) this.#streams.error(id, ErrorCode.Protocol);
    else if (window === undefined) this.#streams.error(id, ErrorCode.FlowControl);
    else {
      stream.sendWindow = window;
      this.#streams.sender.opened(stream);
    }
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
