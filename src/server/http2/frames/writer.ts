/** Writes frames (RFC 9113, 6), buffering what is said in one turn into as few buffers as can be. */
import { type ErrorCode, Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_SIZE_BYTES } from "./types.ts";

const BUFFER_SIZE = 65_536;
/** Output of up to this many bytes leaves as a copy, so that its buffer can serve again. */
const COPIED = 16_384;
const SPARE_BUFFERS = 16;

/**
 * Buffers that frames are written into. One comes back only when what it held was copied, so none that was handed to a
 * socket is ever used again.
 */
export class BufferPool {
  readonly #spare: Buffer[] = [];

  acquire(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE);
  }

  release(buffer: Buffer): void {
    if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(buffer);
  }
}

export class FrameWriter {
  readonly #buffers: BufferPool;
  /** Called when there is output and there was none. */
  readonly #wake: () => void;
  #full: Buffer[] | undefined;
  #buffer: Buffer | undefined;
  #at = 0;
  #fullBytes = 0;

  constructor(buffers: BufferPool, wake: () => void) {
    this.#buffers = buffers;
    this.#wake = wake;
  }

  /** Bytes written and not taken. */
  get queuedBytes(): number {
    return this.#fullBytes + this.#at;
  }

  /** The next of the output, which from then on is the caller's; undefined where there is none. */
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
    if (output.length > COPIED) return output;
    const copy = Buffer.from(output);
    this.#buffers.release(buffer);
    return copy;
  }

  /** DATA (6.1). */
  writeData(streamId: number, bytes: Uint8Array, start: number, end: number, flags: number): void {
    const buffer = this.#writeHeader(end - start, FrameType.Data, flags, streamId);
    buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  /**
   * HEADERS (6.2) with a whole field block that is given in two parts, and CONTINUATION (6.10) where one frame cannot
   * hold it.
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
      const last = at + MAX_FRAME_SIZE_BYTES >= block.length ? Flag.EndHeaders : 0;
      const buffer =
        at === 0
          ? this.#writeHeader(part.length, FrameType.Headers, flags | last, streamId)
          : this.#writeHeader(part.length, FrameType.Continuation, last, streamId);
      buffer.set(part, this.#at);
      this.#at += part.length;
    }
  }

  /** RST_STREAM (6.4). */
  writeRstStream(streamId: number, code: ErrorCode): void {
    this.#writeUint32(this.#writeHeader(4, FrameType.RstStream, 0, streamId), code);
  }

  /** SETTINGS (6.5) as pairs of identifier and value. */
  writeSettings(pairs: readonly (readonly [id: number, value: number])[]): void {
    const buffer = this.#writeHeader(pairs.length * 6, FrameType.Settings, 0, 0);
    for (const [id, value] of pairs) {
      this.#at = buffer.writeUInt16BE(id, this.#at);
      this.#writeUint32(buffer, value);
    }
  }

  writeSettingsAck(): void {
    this.#writeHeader(0, FrameType.Settings, Flag.Ack, 0);
  }

  /** PING (6.7) with eight bytes. */
  writePing(opaque: Uint8Array, flags: number): void {
    const buffer = this.#writeHeader(8, FrameType.Ping, flags, 0);
    buffer.set(opaque, this.#at);
    this.#at += 8;
  }

  /** GOAWAY (6.8) with its reason in words. */
  writeGoaway(lastStreamId: number, code: ErrorCode, reason: string): void {
    const words = Buffer.from(reason.slice(0, 1024));
    const buffer = this.#writeHeader(8 + words.length, FrameType.Goaway, 0, 0);
    this.#writeUint32(buffer, lastStreamId);
    this.#writeUint32(buffer, code);
    buffer.set(words, this.#at);
    this.#at += words.length;
  }

  /** WINDOW_UPDATE (6.9). */
  writeWindowUpdate(streamId: number, increment: number): void {
    this.#writeUint32(this.#writeHeader(4, FrameType.WindowUpdate, 0, streamId), increment);
  }

  /** A frame's header (4.1), in a buffer that has room for its payload. */
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

  #reserve(bytes: number): Buffer {
    const buffer = this.#buffer;
    if (buffer !== undefined && this.#at + bytes <= BUFFER_SIZE) return buffer;
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
