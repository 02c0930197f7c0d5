/** Makes whole frames of the chunks that come (RFC 9113, 4.1), after the client's preface (3.4). */
import { ConnectionError, ErrorCode, FRAME_HEADER_BYTES, MAX_FRAME_SIZE_BYTES, readUint31 } from "./types.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Takes frames. The payload is bytes[start] to bytes[end - 1], valid during the call. */
export interface FrameSink {
  /** True: nothing more is wanted. */
  readonly closed: boolean;
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

export class FrameReader {
  #prefaceSeen = 0;
  /** A frame that a chunk's end cut, in a buffer of its own size, and how many of its bytes are here. */
  #cut: Buffer | undefined;
  #cutSize = 0;

  /** Whether a frame has begun and is not whole. */
  get hasPartialFrame(): boolean {
    return this.#cut !== undefined;
  }

  /** The type of the frame that has begun and is not whole; -1 where that byte is not here. */
  get partialFrameType(): number {
    return this.#cut !== undefined && this.#cutSize > 3 ? (this.#cut[3] as number) : -1;
  }

  read(chunk: Buffer, sink: FrameSink): void {
    let at = this.#prefaceSeen < PREFACE.length ? this.#preface(chunk) : 0;
    if (this.#cut !== undefined) at = this.#mend(chunk, at, sink);
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES && !sink.closed) {
      const next = at + FRAME_HEADER_BYTES + payloadLength(chunk, at);
      if (next > end) break;
      give(chunk, at, next, sink);
      at = next;
    }
    if (at < end && !sink.closed) this.#keep(chunk, at);
  }

  #preface(chunk: Buffer): number {
    let at = 0;
    while (this.#prefaceSeen < PREFACE.length && at < chunk.length) {
      if (chunk[at++] !== PREFACE[this.#prefaceSeen++]) {
        throw new ConnectionError(ErrorCode.Protocol, "expected the connection preface of HTTP/2");
      }
    }
    return at;
  }

  /** Completes the cut frame, first its header and then its payload; gives where the chunk's next frame begins. */
  #mend(chunk: Buffer, from: number, sink: FrameSink): number {
    let at = from;
    for (let cut = this.#cut; cut !== undefined; cut = this.#cut) {
      const size = this.#cutSize < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : cut.length;
      const upTo = Math.min(chunk.length, at + size - this.#cutSize);
      chunk.copy(cut, this.#cutSize, at, upTo);
      this.#cutSize += upTo - at;
      at = upTo;
      if (this.#cutSize < size) return at;
      const whole = FRAME_HEADER_BYTES + payloadLength(cut, 0);
      if (whole > this.#cutSize) {
        this.#cut = Buffer.allocUnsafe(whole);
        cut.copy(this.#cut, 0, 0, FRAME_HEADER_BYTES);
        if (at === chunk.length) return at;
      } else {
        this.#cut = undefined;
        give(cut, 0, whole, sink);
      }
    }
    return at;
  }

  #keep(chunk: Buffer, at: number): void {
    const has = chunk.length - at;
    this.#cut = Buffer.allocUnsafe(
      has < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + payloadLength(chunk, at),
    );
    this.#cutSize = chunk.copy(this.#cut, 0, at);
  }
}

/** The length a frame's header announces; over SETTINGS_MAX_FRAME_SIZE it is an error (4.2). */
function payloadLength(bytes: Buffer, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > MAX_FRAME_SIZE_BYTES) {
    throw new ConnectionError(ErrorCode.FrameSize, `frame of ${length} bytes exceeds ${MAX_FRAME_SIZE_BYTES} bytes`);
  }
  return length;
}

function give(bytes: Buffer, at: number, end: number, sink: FrameSink): void {
  const type = bytes[at + 3] as number;
  sink.onFrame(type, bytes[at + 4] as number, readUint31(bytes, at + 5), bytes, at + FRAME_HEADER_BYTES, end);
}
