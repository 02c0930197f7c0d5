/** The streams of a connection by their identifiers: which are open, and what the others were (RFC 9113, 5.1.1). */
import { ConnectionError, ErrorCode, MAX_UINT31 } from "../frames/types.ts";
import type { Stream } from "./stream.ts";

/** Streams reset here that are remembered, since their peer may not know of it yet. */
const REMEMBERED = 256;

export class StreamTable {
  readonly open = new Map<number, Stream>();
  /** The highest identifier that a client used. */
  lastId = 0;
  #firstSkipped = MAX_UINT31;
  readonly #reset: number[] = [];
  #nextReset = 0;

  /** The stream of a frame that none may come before HEADERS of; undefined where it is closed. */
  find(id: number): Stream | undefined {
    if (id > this.lastId || (id & 1) === 0) {
      throw new ConnectionError(ErrorCode.Protocol, `frame on stream ${id}, which is idle`);
    }
    return this.open.get(id);
  }

  /**
   * Whether HEADERS with this identifier begin a stream: identifiers are odd and grow (5.1.1). Those of an open stream
   * are its trailers, and those of one that was reset here may still come (5.1).
   */
  begins(id: number): boolean {
    if ((id & 1) === 0) throw new ConnectionError(ErrorCode.Protocol, `HEADERS on stream ${id}, which is no client's`);
    if (id > this.lastId) {
      if (id > this.lastId + 2 && this.lastId > 0) this.#firstSkipped = Math.min(this.#firstSkipped, this.lastId + 2);
      this.lastId = id;
      return true;
    }
    if (!this.open.has(id) && !this.wasReset(id)) {
      const code = id >= this.#firstSkipped ? ErrorCode.Protocol : ErrorCode.StreamClosed;
      throw new ConnectionError(code, `HEADERS on stream ${id}, which is closed`);
    }
    return false;
  }

  /** Remembers that a stream was reset here: frames for it may be on their way. */
  rememberReset(id: number): void {
    this.#reset[this.#nextReset] = id;
    this.#nextReset = (this.#nextReset + 1) % REMEMBERED;
  }

  wasReset(id: number): boolean {
    return this.#reset.includes(id);
  }
}
