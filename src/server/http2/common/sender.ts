/**
 * Sends the messages of streams as frames, within the flow-control windows and in fair order (RFC 9113, 5.2 and 8.1).
 */
import { EMPTY_BYTES, OwnedBytes, type Piece } from "../../http/exchange.ts";
import type { QueuedResponses, ResponseHolder } from "../../limits/queued-responses.ts";
import { Flag, INITIAL_WINDOW_BYTES, MAX_FRAME_SIZE_BYTES } from "../frames/types.ts";
import type { FrameWriter } from "../frames/writer.ts";
import { EMPTY_TABLE_UPDATE } from "../hpack/encoder.ts";
import { type BaseStream, freeMemory, SendQueue } from "./base-stream.ts";
import type { FloodControl } from "./flood-control.ts";
import { RoundRobin, widen } from "./flow-control.ts";

/** The owner of the streams. */
export interface SenderHost<S> {
  /** Called when the final frame of a stream's message is written. */
  messageSent(stream: S): void;
  /** Resets the stream with the most queued bytes. Closes the connection if no stream has queued bytes. */
  shed(): void;
}

export interface SenderOptions {
  readonly writer: FrameWriter;
  readonly floodControl: FloodControl;
  readonly queued: QueuedResponses;
  /** Unsent output, in bytes, above which nothing more is read from the peer. */
  readonly sendBufferBytes: number;
}

export class Sender<S extends BaseStream> implements ResponseHolder {
  readonly #host: SenderHost<S>;
  readonly #writer: FrameWriter;
  readonly #floodControl: FloodControl;
  readonly #queued: QueuedResponses;
  /** DATA is queued while the writer and the socket hold at least this many bytes of output. */
  readonly #maxOutputBytes: number;
  /**
   * The streams that send queued bytes in turn when the connection's window and the output have room. `pump` removes a
   * stream whose own window is used up, and `windowOpened` adds it again.
   */
  readonly #waiting = new RoundRobin<S>();
  /** The bytes of DATA that this side may send on the connection (6.9). */
  #window = INITIAL_WINDOW_BYTES;
  /** Bytes that were taken from the writer, but that the socket still holds. */
  #unsentBytes = 0;
  /** The queued bytes of all streams. */
  #waitingBytes = 0;
  /** Bytes of field blocks and DATA that were written. */
  #writtenBytes = 0;
  /**
   * True if the next field block must begin with a table size update. One update in the whole connection is enough,
   * because it sets the size to 0.
   */
  #tableUpdateDue = false;
  #tableUpdated = false;

  constructor(host: SenderHost<S>, { writer, floodControl, queued, sendBufferBytes }: SenderOptions) {
    this.#host = host;
    this.#writer = writer;
    this.#floodControl = floodControl;
    this.#queued = queued;
    this.#maxOutputBytes = Math.max(INITIAL_WINDOW_BYTES, sendBufferBytes / 4);
  }

  /** Bytes of DATA that the streams have queued, plus the bytes that the socket holds. */
  get queuedBytes(): number {
    return this.#waitingBytes + this.#unsentBytes;
  }

  /** Bytes that the socket holds. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /**
   * Bytes of field blocks and DATA that have left the socket. This is an estimate: `#unsentBytes` also counts frame
   * headers, and output that waits in the writer counts as sent.
   */
  get sentBytes(): number {
    return this.#writtenBytes - this.#unsentBytes;
  }

  shed(): void {
    this.#host.shed();
  }

  /** Records how many bytes the socket holds. */
  setUnsentBytes(bytes: number): void {
    const change = bytes - this.#unsentBytes;
    if (change === 0) return;
    this.#unsentBytes = bytes;
    this.#queued.changed(this, change);
  }

  /**
   * Widens the window of the connection, and sends queued bytes. Returns false, and changes nothing, if the window
   * would exceed 2^31-1 bytes.
   */
  widenWindow(increment: number): boolean {
    const window = widen(this.#window, increment);
    if (window === undefined) return false;
    this.#window = window;
    this.pump();
    return true;
  }

  /**
   * Sends a complete message: a field block (`block` followed by `more`), the body and the trailers. Queues the bytes
   * that cannot be sent immediately. `body` must not change afterwards.
   */
  send(stream: S, block: Uint8Array, more: Uint8Array, body: Piece, trailers: Uint8Array | undefined): void {
    const length = body.length;
    if (length > 0 && !this.#fits(stream, length)) {
      this.sendHeaders(stream.id, block, more, 0);
      this.write(stream, body);
      // If too many bytes are queued, `write` may have reset the stream.
      if (stream.isLocalOpen) this.end(stream, trailers);
      return;
    }
    const end = trailers === undefined ? Flag.EndStream : 0;
    this.sendHeaders(stream.id, block, more, length === 0 ? end : 0);
    if (length > 0) this.#sendWhole(stream, body, end);
    if (trailers !== undefined) this.sendHeaders(stream.id, trailers, EMPTY_BYTES, Flag.EndStream);
    this.#host.messageSent(stream);
  }

  /** Sends a field block: `block` followed by `more`. Flow control does not apply to field blocks. */
  sendHeaders(streamId: number, block: Uint8Array, more: Uint8Array, flags: number): void {
    this.#writtenBytes += block.length + more.length;
    if (!this.#tableUpdateDue) {
      this.#writer.writeHeaders(streamId, block, more, flags);
      return;
    }
    this.#tableUpdateDue = false;
    this.#tableUpdated = true;
    this.#writer.writeHeaders(streamId, Buffer.concat([EMPTY_TABLE_UPDATE, block]), more, flags);
  }

  /**
   * Sends a piece of a body, or queues it if it cannot be sent immediately. `piece` must not change afterwards. Returns
   * undefined if the queue of the stream is empty. Otherwise returns a promise that resolves when the queue was sent or
   * discarded.
   */
  write(stream: S, piece: Piece): Promise<void> | undefined {
    const length = piece.length;
    if (length === 0) return stream.sendQueue?.whenEmptied();
    if (stream.sendQueue === undefined && this.#fits(stream, length)) {
      this.#sendWhole(stream, piece, 0);
      return undefined;
    }
    stream.sendQueue ??= new SendQueue();
    stream.sendQueue.add(piece);
    this.#waiting.add(stream);
    this.#changeWaitingBytes(length);
    this.pump();
    return stream.sendQueue?.whenEmptied();
  }

  /** Ends a message after its queued bytes. `trailers` is a field block. */
  end(stream: S, trailers: Uint8Array | undefined): void {
    const queue = stream.sendQueue;
    if (queue === undefined) {
      this.#sendEnd(stream, trailers);
      return;
    }
    queue.isComplete = true;
    queue.trailers = trailers;
  }

  /**
   * Makes the next field block begin with a table size update, because the peer has lowered its header table size (RFC
   * 7541, 4.2). Does nothing if an update was sent before.
   */
  shrinkTable(): void {
    this.#tableUpdateDue = !this.#tableUpdated;
  }

  /** Sends queued bytes of a stream whose window was widened. */
  windowOpened(stream: S): void {
    if (stream.sendQueue === undefined || stream.sendWindow <= 0) return;
    this.#waiting.add(stream);
    this.pump();
  }

  /** Discards the queued bytes of a stream, and resolves the promises of `write`. */
  discard(stream: S): void {
    const queue = stream.sendQueue;
    if (queue === undefined) return;
    this.#waiting.delete(stream);
    stream.sendQueue = undefined;
    this.#changeWaitingBytes(-queue.bytes);
    queue.settle();
  }

  /** Sends queued bytes while the windows and the output have room. */
  pump(): void {
    while (this.#window > 0 && !this.#outputIsFull) {
      const stream = this.#waiting.shift();
      if (stream === undefined) return;
      if (stream.sendQueue !== undefined && stream.sendWindow > 0) this.#sendQueued(stream, stream.sendQueue);
    }
  }

  get #outputIsFull(): boolean {
    return this.#unsentBytes + this.#writer.queuedBytes >= this.#maxOutputBytes;
  }

  /** True if the stream can send `bytes` immediately in one frame, and no other stream waits. */
  #fits(stream: S, bytes: number): boolean {
    return (
      bytes <= MAX_FRAME_SIZE_BYTES &&
      bytes <= this.#window &&
      bytes <= stream.sendWindow &&
      this.#waiting.isEmpty &&
      !this.#outputIsFull
    );
  }

  /** Sends one frame of a stream's queue. */
  #sendQueued(stream: S, queue: SendQueue): void {
    const length = Math.min(queue.bytes, MAX_FRAME_SIZE_BYTES, this.#window, stream.sendWindow);
    const isEmptied = queue.bytes === length;
    const endsStream = isEmptied && queue.isComplete && queue.trailers === undefined;
    this.#beginData(stream, length, endsStream ? Flag.EndStream : 0);
    queue.writePayload(this.#writer, length);
    this.#changeWaitingBytes(-length);
    // A peer with a small window makes this side send many small frames. A small frame that a window has cut short
    // therefore allows fewer control frames.
    this.#floodControl.allowControlFrames(queue.isBetweenParts ? 2 : Math.min(2, length / 32));
    if (!isEmptied) {
      this.#waiting.add(stream);
      return;
    }
    stream.sendQueue = undefined;
    queue.settle();
    if (endsStream) this.#host.messageSent(stream);
    else if (queue.isComplete) this.#sendEnd(stream, queue.trailers);
  }

  #sendEnd(stream: S, trailers: Uint8Array | undefined): void {
    if (trailers === undefined) this.#writer.beginData(stream.id, 0, Flag.EndStream);
    else this.sendHeaders(stream.id, trailers, EMPTY_BYTES, Flag.EndStream);
    this.#host.messageSent(stream);
  }

  /** Sends a piece in one frame. */
  #sendWhole(stream: S, piece: Piece, flags: number): void {
    this.#beginData(stream, piece.length, flags);
    this.#floodControl.allowControlFrames(2);
    if (piece instanceof OwnedBytes) {
      const { prefix, bytes, suffix } = piece;
      this.#writer.writePayload(prefix, 0, prefix.length);
      this.#writer.writePayload(bytes, 0, bytes.length);
      this.#writer.writePayload(suffix, 0, suffix.length);
      freeMemory(bytes);
    } else this.#writer.writePayload(piece, 0, piece.length);
  }

  /** Begins a frame of `length` bytes of DATA, and counts them in the windows. */
  #beginData(stream: S, length: number, flags: number): void {
    this.#window -= length;
    stream.sendWindow -= length;
    this.#writtenBytes += length;
    this.#writer.beginData(stream.id, length, flags);
  }

  #changeWaitingBytes(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#queued.changed(this, bytes);
  }
}
