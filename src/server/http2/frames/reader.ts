/** Checks the connection preface, and splits the received bytes after it into frames (RFC 9113, 3.4 and 4.1). */
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_SIZE_BYTES,
  readUint31,
} from "./types.ts";

export interface FrameSink {
  /** True if the sink accepts no more frames. */
  readonly isClosed: boolean;
  /**
   * Accepts a frame. Its payload is bytes[start] to bytes[end - 1], which change after the call. DATA without padding may
   * come in parts, as if each part were a frame: only the last has END_STREAM.
   */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

export class FrameReader {
  readonly #preface: Uint8Array;
  /** The number of preface bytes received. */
  #prefaceBytes = 0;
  /**
   * The beginning of an incomplete frame, in a buffer for the whole frame. While the frame header is incomplete, the
   * buffer has room only for the header.
   */
  #partial: Buffer | undefined;
  /** The number of bytes received into `#partial`. */
  #partialBytes = 0;
  /** The payload bytes of DATA that are still to be received. The parts before them were passed on. */
  #dataBytes = 0;
  /** The flags and the stream of that DATA. */
  #dataFlags = 0;
  #dataStream = 0;

  /** Expects `preface` before the first frame. */
  constructor(preface: Uint8Array) {
    this.#preface = preface;
  }

  /** True if the beginning of a frame was received, but not its end, and the frame is not passed on in parts. */
  get hasPartialFrame(): boolean {
    return this.#partial !== undefined;
  }

  /** The type of the partial frame. -1 if its type was not received yet, or without a partial frame. */
  get partialFrameType(): number {
    return this.#partial !== undefined && this.#partialBytes > 3 ? (this.#partial[3] as number) : -1;
  }

  /**
   * Passes each complete frame to `sink` before it returns, and copies the beginning of an incomplete frame, or passes it
   * on if it is DATA. Stops when `sink` is closed. Throws ConnectionError if the preface is wrong or a frame is too large,
   * and any error that `sink` throws.
   */
  read(chunk: Buffer, sink: FrameSink): void {
    let at = this.#prefaceBytes < this.#preface.length ? this.#readPreface(chunk) : 0;
    if (this.#partial !== undefined) at = this.#completePartial(chunk, at, sink);
    if (this.#dataBytes > 0) at = this.#readData(chunk, at, sink);
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES && !sink.isClosed) {
      const next = at + FRAME_HEADER_BYTES + payloadLength(chunk, at);
      if (next > end) break;
      emit(chunk, at, next, sink);
      at = next;
    }
    if (at < end && !sink.isClosed) this.#readPartial(chunk, at, sink);
  }

  /**
   * Compares the chunk with the rest of the preface. Returns the position in the chunk after the preface. Throws
   * ConnectionError if they differ.
   */
  #readPreface(chunk: Buffer): number {
    let at = 0;
    while (this.#prefaceBytes < this.#preface.length && at < chunk.length) {
      if (chunk[at++] !== this.#preface[this.#prefaceBytes++]) {
        throw new ConnectionError(ErrorCode.Protocol, "expected the connection preface of HTTP/2");
      }
    }
    return at;
  }

  /**
   * Adds bytes of the chunk, from position `from`, to the partial frame. Passes the frame to `sink` if it is then
   * complete. Returns the position after these bytes.
   */
  #completePartial(chunk: Buffer, from: number, sink: FrameSink): number {
    let at = from;
    for (let partial = this.#partial; partial !== undefined; partial = this.#partial) {
      const size = this.#partialBytes < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : partial.length;
      const upTo = Math.min(chunk.length, at + size - this.#partialBytes);
      chunk.copy(partial, this.#partialBytes, at, upTo);
      this.#partialBytes += upTo - at;
      at = upTo;
      if (this.#partialBytes < size) return at;
      const frameBytes = FRAME_HEADER_BYTES + payloadLength(partial, 0);
      if (this.#partialBytes === FRAME_HEADER_BYTES && this.#beginsData(partial, 0)) {
        this.#partial = undefined;
        return at;
      }
      if (frameBytes > this.#partialBytes) {
        this.#partial = Buffer.allocUnsafe(frameBytes);
        partial.copy(this.#partial, 0, 0, FRAME_HEADER_BYTES);
        if (at === chunk.length) return at;
      } else {
        this.#partial = undefined;
        emit(partial, 0, frameBytes, sink);
      }
    }
    return at;
  }

  /** Keeps or passes on the rest of the chunk from position `at`, which is the beginning of an incomplete frame. */
  #readPartial(chunk: Buffer, at: number, sink: FrameSink): void {
    const received = chunk.length - at;
    if (received >= FRAME_HEADER_BYTES && this.#beginsData(chunk, at)) {
      this.#readData(chunk, at + FRAME_HEADER_BYTES, sink);
      return;
    }
    const size = received < FRAME_HEADER_BYTES ? 0 : payloadLength(chunk, at);
    this.#partial = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size);
    this.#partialBytes = chunk.copy(this.#partial, 0, at);
  }

  /**
   * Returns true if the frame header at position `at` is that of a frame that may be passed on in parts. Its payload is then
   * expected.
   */
  #beginsData(bytes: Buffer, at: number): boolean {
    const flags = bytes[at + 4] as number;
    const length = payloadLength(bytes, at);
    if (bytes[at + 3] !== FrameType.Data || flags & Flag.Padded || length === 0) return false;
    this.#dataBytes = length;
    this.#dataFlags = flags;
    this.#dataStream = readUint31(bytes, at + 5);
    return true;
  }

  /** Passes on bytes of DATA from position `from`. Returns the position after these bytes. */
  #readData(chunk: Buffer, from: number, sink: FrameSink): number {
    const end = Math.min(chunk.length, from + this.#dataBytes);
    if (end === from) return from;
    this.#dataBytes -= end - from;
    const flags = this.#dataBytes === 0 ? this.#dataFlags : this.#dataFlags & ~Flag.EndStream;
    sink.onFrame(FrameType.Data, flags, this.#dataStream, chunk, from, end);
    return end;
  }
}

/**
 * Returns the payload length in the frame header at position `at`. Throws ConnectionError if it exceeds
 * SETTINGS_MAX_FRAME_SIZE (4.2).
 */
function payloadLength(bytes: Buffer, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > MAX_FRAME_SIZE_BYTES) {
    throw new ConnectionError(ErrorCode.FrameSize, `frame of ${length} bytes exceeds ${MAX_FRAME_SIZE_BYTES} bytes`);
  }
  return length;
}

/** Passes a frame to `sink`. The frame is bytes[at] to bytes[end - 1]. */
function emit(bytes: Buffer, at: number, end: number, sink: FrameSink): void {
  const type = bytes[at + 3] as number;
  sink.onFrame(type, bytes[at + 4] as number, readUint31(bytes, at + 5), bytes, at + FRAME_HEADER_BYTES, end);
}
