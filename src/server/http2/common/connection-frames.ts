/** The frames of a connection: which may come when, and SETTINGS, PING, GOAWAY and WINDOW_UPDATE (RFC 9113, 6). */

import type { FrameSink } from "../frames/reader.ts";
import { ConnectionError, ErrorCode, Flag, FrameType, readUint31 } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import type { ConnectionParts, StreamFrames } from "../stream-frames.ts";
import type { Streams } from "../streams/streams.ts";
import type { Tolls } from "./flood-control.ts";
import { widen } from "./flow-control.ts";
import type { Departure } from "./graceful-close.ts";
import type { PeerSettings } from "./settings.ts";

export class ConnectionFrames implements FrameSink {
  readonly #writer: FrameWriter;
  readonly #streams: Streams;
  readonly #peer: PeerSettings;
  readonly #departure: Departure;
  readonly #tolls: Tolls;
  readonly #streamFrames: StreamFrames;
  closed = false;
  /** Frames that came. */
  count = 0;
  /** The peer said GOAWAY. */
  peerLeaves = false;

  constructor({ writer, streams, peer, departure, tolls }: ConnectionParts, streamFrames: StreamFrames) {
    this.#writer = writer;
    this.#streams = streams;
    this.#peer = peer;
    this.#departure = departure;
    this.#tolls = tolls;
    this.#streamFrames = streamFrames;
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.count++;
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
    this.#writer.writeSettingsAck();
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
    else this.#writer.writePing(opaque, Flag.Ack);
  }

  /** GOAWAY (6.8): the peer will begin no more streams than are on their way. */
  #goaway(id: number, length: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `GOAWAY on stream ${id}`);
    if (length < 8) throw new ConnectionError(ErrorCode.FrameSize, `GOAWAY of ${length} bytes is below 8 bytes`);
    this.#tolls.control();
    this.peerLeaves = true;
  }

  /** WINDOW_UPDATE (6.9). */
  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      throw new ConnectionError(ErrorCode.FrameSize, `WINDOW_UPDATE of ${end - start} bytes is not 4 bytes`);
    }
    this.#tolls.control();
    const increment = readUint31(bytes, start);
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
