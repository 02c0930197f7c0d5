/**
 * The streams of a connection that are not closed, by identifier, and a record of the closed ones (RFC 9113, 5.1.1).
 */
import { ConnectionError, ErrorCode, MAX_UINT31 } from "../frames/types.ts";
import type { Stream } from "./stream.ts";

/** The number of reset streams that are remembered, because frames for them may still arrive. */
const REMEMBERED_RESETS = 256;

/** The number of slots for the streams that a client has opened most recently, a power of two. */
const SLOTS = 64;

/** The open streams by identifier. Most live shortly, and a Map alone would cost 60 ns more for each. */
export class OpenStreams {
  /** Each stream is in the slot of its identifier, unless an older stream is in that slot. */
  readonly #slots: (Stream | undefined)[] = [];
  /** The streams that are not in `#slots`. */
  readonly #others = new Map<number, Stream>();
  size = 0;

  /** Returns the stream with an identifier, or undefined. */
  get(id: number): Stream | undefined {
    const stream = this.#slots[slotOf(id)];
    if (stream !== undefined && stream.id === id) return stream;
    return this.#others.size > 0 ? this.#others.get(id) : undefined;
  }

  /** Adds a stream, which must not be in the table. */
  add(stream: Stream): void {
    const slot = slotOf(stream.id);
    if (this.#slots[slot] === undefined) this.#slots[slot] = stream;
    else this.#others.set(stream.id, stream);
    this.size++;
  }

  /** Removes a stream. Does nothing if the stream was removed already. */
  delete(id: number): void {
    const slot = slotOf(id);
    if (this.#slots[slot]?.id === id) this.#slots[slot] = undefined;
    else if (!this.#others.delete(id)) return;
    this.size--;
  }

  /** Iterates over the streams in any order. A stream that is removed meanwhile is left out. */
  *values(): Iterable<Stream> {
    if (this.size === 0) return;
    for (const stream of this.#slots) if (stream !== undefined) yield stream;
    yield* this.#others.values();
  }
}

/** Returns the slot of a client's identifier, which is odd. */
function slotOf(id: number): number {
  return (id >>> 1) & (SLOTS - 1);
}

export class StreamTable {
  readonly open = new OpenStreams();
  #lastId = 0;
  /** The lowest identifier that the client has skipped after its first stream. MAX_UINT31 if it has skipped none. */
  #firstSkipped = MAX_UINT31;
  /** The identifiers of the streams that this side reset most recently, as a ring. */
  readonly #reset: number[] = [];
  #nextReset = 0;

  /** The highest identifier that the client has used. */
  get lastId(): number {
    return this.#lastId;
  }

  /**
   * Looks up the stream of a frame that is only valid after HEADERS. Returns undefined if the stream is closed. Throws
   * ConnectionError if it is idle (5.1).
   */
  find(id: number): Stream | undefined {
    if (id > this.#lastId || (id & 1) === 0) {
      throw new ConnectionError(ErrorCode.Protocol, `frame on stream ${id}, which is idle`);
    }
    return this.open.get(id);
  }

  /**
   * True if HEADERS with this identifier open a stream: identifiers of a client are odd and increase (5.1.1). False if
   * they are trailers of a stream that is open, or that this side has reset. Throws ConnectionError otherwise.
   */
  opensStream(id: number): boolean {
    if ((id & 1) === 0) {
      throw new ConnectionError(ErrorCode.Protocol, `HEADERS on stream ${id}, which is not a client's`);
    }
    if (id > this.#lastId) return true;
    if (this.open.get(id) === undefined && !this.wasReset(id)) {
      const code = id >= this.#firstSkipped ? ErrorCode.Protocol : ErrorCode.StreamClosed;
      throw new ConnectionError(code, `HEADERS on stream ${id}, which is closed`);
    }
    return false;
  }

  /** Records that the client has used an identifier. Lower identifiers that it has skipped are then closed (5.1.1). */
  use(id: number): void {
    if (id > this.#lastId + 2 && this.#lastId > 0) this.#firstSkipped = Math.min(this.#firstSkipped, this.#lastId + 2);
    this.#lastId = id;
  }

  /** Records that this side reset a stream. */
  rememberReset(id: number): void {
    this.#reset[this.#nextReset] = id;
    this.#nextReset = (this.#nextReset + 1) % REMEMBERED_RESETS;
  }

  /** True if the stream is among the REMEMBERED_RESETS streams that this side reset most recently. */
  wasReset(id: number): boolean {
    return this.#reset.includes(id);
  }
}
