/** Writes frames (RFC 9113, 6) into large buffers, so that few writes to the socket are needed. */
import { type ErrorCode, Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_SIZE_BYTES } from "./types.ts";

const BUFFER_BYTES = 65_536;
const MAX_SPARE_BUFFERS = 16;

/** A pool of buffers for frames. */
export class BufferPool {
  readonly #spare: Buffer[] = [];

  acquire(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Returns the buffer of `output` to the pool. Nothing else may use it any more. */
  release(output: Buffer): void {
    if (this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(Buffer.from(output.buffer, 0, BUFFER_BYTES));
  }
}

/** Copies the bytes of each frame into its buffers, so the caller may change them afterwards. */
export class FrameWriter {
  readonly #buffers: BufferPool;
  /** Called when a frame is written while no other output waits to be taken. */
  readonly #wake: () => void;
  /** Output in full buffers, the oldest first. Undefined if no buffer is full. */
  #full: Buffer[] | undefined;
  /** The buffer that frames are written to, from position `#at`. Undefined if all output was taken. */
  #buffer: Buffer | undefined;
  #at = 0;
  /** The size of the output in `#full`. */
  #fullBytes = 0;

  constructor(buffers: BufferPool, wake: () => void) {
    this.#buffers = buffers;
    this.#wake = wake;
  }

  /** The number of bytes that wait to be taken. */
  get queuedBytes(): number {
    return this.#fullBytes + this.#at;
  }

  /**
   * Returns the oldest output, or undefined if none is left. The caller owns its buffer of 64 KiB, and may return it to the
   * pool.
   */
  takeBuffer(): Buffer | undefined {
    const full = this.#full?.shift();
    if (full !== undefined) {
      this.#fullBytes -= full.length;
      if (this.#full?.length === 0) this.#full = undefined;
      return full;
    }
    const buffer = this.#buffer;
    if (buffer === undefined) return undefined;
    const output = buffer.subarray(0, this.#at);
    this.#buffer = undefined;
    this.#at = 0;
    return output;
  }

  /** Begins DATA (6.1). The caller must then pass its payload of `length` bytes to `writePayload`, in any number of parts. */
  beginData(streamId: number, length: number, flags: number): void {
    this.#writeHeader(length, FrameType.Data, flags, streamId);
  }

  /** Writes bytes[start] to bytes[end - 1] as a part of the payload that `beginData` has announced. */
  writePayload(bytes: Uint8Array, start: number, end: number): void {
    const buffer = this.#buffer as Buffer;
    buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  /**
   * Writes HEADERS (6.2) with a complete field block: `block` followed by `more`. A block above MAX_FRAME_SIZE_BYTES
   * continues in CONTINUATION frames (6.10).
   */
  writeHeaders(streamId: number, block: Uint8Array, more: Uint8Array, flags: number): void {
    const length = block.length + more.length;
    if (length > MAX_FRAME_SIZE_BYTES) {
      this.#writeContinued(streamId, Buffer.concat([block, more]), flags);
      return;
    }
    const buffer = this.#writeHeader(length, FrameType.Headers, flags | Flag.EndHeaders, streamId);
    buffer.set(block, this.#at);
    this.#at += block.length;
    if (more.length > 0) {
      buffer.set(more, this.#at);
      this.#at += more.length;
    }
  }

  #writeContinued(streamId: number, block: Uint8Array, flags: number): void {
    for (let at = 0; at < block.length; at += MAX_FRAME_SIZE_BYTES) {
      const part = block.subarray(at, at + MAX_FRAME_SIZE_BYTES);
      const endHeaders = at + MAX_FRAME_SIZE_BYTES >= block.length ? Flag.EndHeaders : 0;
      const buffer =
        at === 0
          ? this.#writeHeader(part.length, FrameType.Headers, flags | endHeaders, streamId)
          : this.#writeHeader(part.length, FrameType.Continuation, endHeaders, streamId);
      buffer.set(part, this.#at);
      this.#at += part.length;
    }
  }

  /** Writes RST_STREAM (6.4). */
  writeRstStream(streamId: number, code: ErrorCode): void {
    this.#writeUint32(this.#writeHeader(4, FrameType.RstStream, 0, streamId), code);
  }

  /** Writes SETTINGS (6.5). */
  writeSettings(pairs: readonly (readonly [id: number, value: number])[]): void {
    const buffer = this.#writeHeader(pairs.length * 6, FrameType.Settings, 0, 0);
    for (const [id, value] of pairs) {
      this.#at = buffer.writeUInt16BE(id, this.#at);
      this.#writeUint32(buffer, value);
    }
  }

  /** Writes the acknowledgement of SETTINGS (6.5.3). */
  writeSettingsAck(): void {
    this.#writeHeader(0, FrameType.Settings, Flag.Ack, 0);
  }

  /** Writes PING (6.7) with eight bytes of opaque data. */
  writePing(opaque: Uint8Array, flags: number): void {
    const buffer = this.#writeHeader(8, FrameType.Ping, flags, 0);
    buffer.set(opaque, this.#at);
    this.#at += 8;
  }

  /** Writes GOAWAY (6.8). The first 1024 characters of `reason` become its debug data. */
  writeGoaway(lastStreamId: number, code: ErrorCode, reason: string): void {
    const debugData = Buffer.from(reason.slice(0, 1024));
    const buffer = this.#writeHeader(8 + debugData.length, FrameType.Goaway, 0, 0);
    this.#writeUint32(buffer, lastStreamId);
    this.#writeUint32(buffer, code);
    buffer.set(debugData, this.#at);
    this.#at += debugData.length;
  }

  /** Writes WINDOW_UPDATE (6.9). */
  writeWindowUpdate(streamId: number, increment: number): void {
    this.#writeUint32(this.#writeHeader(4, FrameType.WindowUpdate, 0, streamId), increment);
  }

  /** Writes a frame header (4.1). Returns the buffer, which has room for the payload at `#at`. */
  #writeHeader(length: number, type: number, flags: number, streamId: number): Buffer {
    const buffer = this.#reserve(FRAME_HEADER_BYTES + length);
    let at = this.#at;
    buffer[at++] = length >>> 16;
    buffer[at++] = length >>> 8;
    buffer[at++] = length;
    buffer[at++] = type;
    buffer[at++] = flags;
    buffer[at++] = streamId >>> 24;
    buffer[at++] = streamId >>> 16;
    buffer[at++] = streamId >>> 8;
    buffer[at++] = streamId;
    this.#at = at;
    return buffer;
  }

  #writeUint32(buffer: Buffer, value: number): void {
    this.#at = buffer.writeUInt32BE(value, this.#at);
  }

  /** Returns a buffer that has room for `bytes` bytes at `#at`. */
  #reserve(bytes: number): Buffer {
    const buffer = this.#buffer;
    if (buffer !== undefined && this.#at + bytes <= BUFFER_BYTES) return buffer;
    if (buffer === undefined) {
      if (this.#full === undefined) this.#wake();
    } else {
      this.#full ??= [];
      this.#full.push(buffer.subarray(0, this.#at));
      this.#fullBytes += this.#at;
    }
    this.#at = 0;
    this.#buffer = this.#buffers.acquire();
    return this.#buffer;
  }
}
