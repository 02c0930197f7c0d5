/**
 * Checks the order of all frames, handles those of the connection itself, and passes on those of streams (RFC 9113, 6).
 */
import type { FrameSink } from "../frames/reader.ts";
import { ConnectionError, ErrorCode, Flag, FrameType, readUint31 } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import type { BaseStream } from "./base-stream.ts";
import type { ConnectionState } from "./connection-state.ts";
import type { FieldBlock } from "./field-block.ts";
import type { FloodControl } from "./flood-control.ts";
import { widen } from "./flow-control.ts";
import type { GracefulClose } from "./graceful-close.ts";
import type { Sender } from "./sender.ts";
import type { PeerSettings } from "./settings.ts";

/** Handles the frames of streams. A payload is bytes[start] to bytes[end - 1]. Each method may throw ConnectionError. */
export interface StreamFrameHandler {
  /**
   * The field block that waits for CONTINUATION, the only valid frame until the block is complete. Undefined if no
   * block waits.
   */
  readonly block: FieldBlock | undefined;
  data(flags: number, id: number, bytes: Buffer, start: number, end: number): void;
  headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void;
  priority(id: number, bytes: Buffer, start: number, end: number): void;
  rstStream(id: number, length: number): void;
  pushPromise(): void;
  windowUpdate(id: number, increment: number): void;
  continuation(flags: number, bytes: Buffer, start: number, end: number): void;
}

/** The parts of a connection that received frames change or use. */
export interface ConnectionParts<S extends BaseStream> {
  readonly state: ConnectionState;
  readonly writer: FrameWriter;
  readonly sender: Sender<S>;
  /** The open streams, and the highest stream identifier that the peer has used. */
  readonly table: { readonly open: { values(): Iterable<S> }; readonly lastId: number };
  readonly peerSettings: PeerSettings;
  readonly gracefulClose: GracefulClose;
  readonly floodControl: FloodControl;
}

export class ConnectionFrames<S extends BaseStream> implements FrameSink {
  readonly #parts: ConnectionParts<S>;
  readonly #state: ConnectionState;
  readonly #streamFrames: StreamFrameHandler;
  /** The number of frames that the current chunk has completed. The connection sets it to 0 before each chunk. */
  count = 0;

  constructor(parts: ConnectionParts<S>, streamFrames: StreamFrameHandler) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#streamFrames = streamFrames;
  }

  get isClosed(): boolean {
    return this.#state.isClosed;
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.count++;
    this.#checkOrder(type, id);
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
        frames.pushPromise();
        break;
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
        // Frames of unknown types are ignored (4.1), but count as control frames.
        this.#parts.floodControl.countControlFrame();
    }
  }

  #checkOrder(type: number, id: number): void {
    if (!this.#state.settingsReceived && type !== FrameType.Settings) {
      throw new ConnectionError(ErrorCode.Protocol, "the first frame is not SETTINGS");
    }
    // Between HEADERS and END_HEADERS only CONTINUATION is valid (6.10).
    const { block } = this.#streamFrames;
    if (block !== undefined && (type !== FrameType.Continuation || id !== block.streamId)) {
      throw new ConnectionError(ErrorCode.Protocol, `frame inside the field block of stream ${block.streamId}`);
    }
  }

  /** Handles SETTINGS (6.5). */
  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const { floodControl, peerSettings, sender, table, writer } = this.#parts;
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `SETTINGS on stream ${id}`);
    if (flags & Flag.Ack) {
      if (end > start) throw new ConnectionError(ErrorCode.FrameSize, "SETTINGS acknowledgement with a payload");
      if (this.#state.settingsAcknowledged) floodControl.countControlFrame();
      this.#state.receiveSettingsAck();
      return;
    }
    floodControl.countControlFrame();
    const growth = peerSettings.apply(bytes, start, end);
    this.#state.receiveSettings();
    if (growth !== 0) this.#growWindows(growth);
    if (peerSettings.hasSmallerTable) sender.shrinkTable();
    // The acknowledgement comes before any frame that depends on the new settings (6.5.3).
    writer.writeSettingsAck();
    if (growth > 0) for (const stream of table.open.values()) sender.windowOpened(stream);
  }

  /** Applies a new SETTINGS_INITIAL_WINDOW_SIZE to the open streams. A window may become negative (6.9.2). */
  #growWindows(growth: number): void {
    for (const stream of this.#parts.table.open.values()) {
      const window = widen(stream.sendWindow, growth);
      if (window === undefined) {
        throw new ConnectionError(ErrorCode.FlowControl, `window of stream ${stream.id} exceeds 2147483647 bytes`);
      }
      stream.sendWindow = window;
    }
  }

  /** Handles PING (6.7). */
  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const { floodControl, gracefulClose, table, writer } = this.#parts;
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `PING on stream ${id}`);
    if (end - start !== 8)
      throw new ConnectionError(ErrorCode.FrameSize, `PING of ${end - start} bytes is not 8 bytes`);
    floodControl.countControlFrame();
    const opaque = bytes.subarray(start, end);
    if (flags & Flag.Ack) gracefulClose.receivePingAck(opaque, table.lastId);
    else writer.writePing(opaque, Flag.Ack);
  }

  /** Handles GOAWAY (6.8). The connection then drains, and closes when no stream is open. */
  #goaway(id: number, length: number): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.Protocol, `GOAWAY on stream ${id}`);
    if (length < 8) throw new ConnectionError(ErrorCode.FrameSize, `GOAWAY of ${length} bytes is below 8 bytes`);
    this.#parts.floodControl.countControlFrame();
    this.#state.receiveGoaway();
  }

  /** Handles WINDOW_UPDATE (6.9). */
  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      throw new ConnectionError(ErrorCode.FrameSize, `WINDOW_UPDATE of ${end - start} bytes is not 4 bytes`);
    }
    this.#parts.floodControl.countControlFrame();
    const increment = readUint31(bytes, start);
    if (id !== 0) {
      this.#streamFrames.windowUpdate(id, increment);
      return;
    }
    if (increment === 0) throw new ConnectionError(ErrorCode.Protocol, "WINDOW_UPDATE of 0 bytes");
    if (!this.#parts.sender.widenWindow(increment)) {
      throw new ConnectionError(ErrorCode.FlowControl, "the connection's window exceeds 2147483647 bytes");
    }
  }
}
