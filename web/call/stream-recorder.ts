/** Records the envelopes of a streaming response: a flag, a length, and a message or the end of the stream. */
import { FRAME_PREFIX_BYTES, isEnd } from "../annotate/frames.ts";

/** One envelope, as it was received. */
export interface ReceivedEnvelope {
  /** From 1 on. The end of the stream has a number too. */
  readonly number: number;
  /** The time since the start of the call. */
  readonly milliseconds: number;
  /** The whole envelope: flag, length and content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The messages of a response so far. The first and the newest ones are kept, within the limits of this file. */
export interface ReceivedStream {
  readonly first: readonly ReceivedEnvelope[];
  /** The messages between `first` and `newest` that are not kept. */
  readonly omitted: Total;
  readonly newest: readonly ReceivedEnvelope[];
  /** All messages. */
  readonly total: Total;
  /** The end of the stream: the trailers of gRPC-Web, or the EndStreamResponse of Connect. */
  readonly end: ReceivedEnvelope | undefined;
  /** The bytes after the last complete envelope. */
  readonly rest: Uint8Array<ArrayBuffer>;
}

export interface Total {
  readonly messages: number;
  readonly bytes: number;
}

const MIB = 2 ** 20;
const MAX_FIRST: Total = { messages: 50, bytes: MIB };
/** The newest message is kept even if it is larger. */
const MAX_NEWEST: Total = { messages: 450, bytes: 7 * MIB };
/** The largest envelope that is received. A longer one ends the call with an error. */
const MAX_ENVELOPE_BYTES: number = 64 * MIB;

/** Limits of the messages that are kept. */
export interface StreamLimits {
  readonly first: Total;
  readonly newest: Total;
  readonly envelopeBytes: number;
}
const LIMITS: StreamLimits = { first: MAX_FIRST, newest: MAX_NEWEST, envelopeBytes: MAX_ENVELOPE_BYTES };

const NOTHING: Total = { messages: 0, bytes: 0 };

export class StreamRecorder {
  readonly #start: number;
  readonly #onChange: () => void;
  readonly #limits: StreamLimits;
  readonly #splitter: EnvelopeSplitter;
  readonly #first: ReceivedEnvelope[] = [];
  readonly #newest: ReceivedEnvelope[] = [];
  #firstBytes = 0;
  #newestBytes = 0;
  #omitted = NOTHING;
  #total = NOTHING;
  #end: ReceivedEnvelope | undefined;

  /** `start` is the start of the call, in ms of performance.now(). `onChange` is called after each piece with an envelope. */
  constructor(start: number, onChange: () => void, limits: StreamLimits = LIMITS) {
    this.#start = start;
    this.#onChange = onChange;
    this.#limits = limits;
    this.#splitter = new EnvelopeSplitter(limits.envelopeBytes);
  }

  get received(): ReceivedStream {
    return {
      first: [...this.#first],
      omitted: this.#omitted,
      newest: [...this.#newest],
      total: this.#total,
      end: this.#end,
      rest: this.#splitter.rest,
    };
  }

  /** Records a piece of the body. Throws an Error if an envelope is too large. */
  add(piece: Uint8Array<ArrayBuffer>): void {
    const milliseconds = performance.now() - this.#start;
    let isChanged = false;
    try {
      this.#splitter.add(piece, (bytes) => {
        this.#addEnvelope(bytes, milliseconds);
        isChanged = true;
      });
    } finally {
      if (isChanged) this.#onChange();
    }
  }

  #addEnvelope(bytes: Uint8Array<ArrayBuffer>, milliseconds: number): void {
    const envelope = { number: this.#total.messages + 1, milliseconds, bytes };
    if (isEnd(bytes)) {
      this.#end = envelope;
      return;
    }
    this.#total = add(this.#total, bytes);
    const { first, newest } = this.#limits;
    const isFirst = this.#newest.length === 0 && this.#omitted.messages === 0;
    if (isFirst && this.#first.length < first.messages && this.#firstBytes + bytes.length <= first.bytes) {
      this.#first.push(envelope);
      this.#firstBytes += bytes.length;
      return;
    }
    this.#newest.push(envelope);
    this.#newestBytes += bytes.length;
    while (this.#newest.length > newest.messages || (this.#newestBytes > newest.bytes && this.#newest.length > 1)) {
      const { bytes: dropped } = this.#newest.shift() as ReceivedEnvelope;
      this.#newestBytes -= dropped.length;
      this.#omitted = add(this.#omitted, dropped);
    }
  }
}

function add({ messages, bytes }: Total, message: Uint8Array): Total {
  return { messages: messages + 1, bytes: bytes + message.length };
}

/** Splits a body, which comes in pieces, into envelopes. */
class EnvelopeSplitter {
  readonly #maxBytes: number;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  /** The bytes of the prefix, or of the whole envelope once its prefix is known. */
  #wanted = FRAME_PREFIX_BYTES;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bytes after the last complete envelope. */
  get rest(): Uint8Array<ArrayBuffer> {
    return concat(this.#pieces);
  }

  /**
   * Calls `onEnvelope` with a copy of each envelope that the piece completes. Throws an Error if an envelope is too
   * large.
   */
  add(piece: Uint8Array<ArrayBuffer>, onEnvelope: (bytes: Uint8Array<ArrayBuffer>) => void): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes >= this.#wanted) {
      const bytes = concat(this.#pieces);
      const wanted = envelopeBytes(bytes);
      if (wanted > this.#maxBytes) {
        throw new Error(`read a message: its ${wanted} bytes exceed the limit of this page, ${this.#maxBytes}`);
      }
      this.#wanted = wanted;
      this.#pieces = [bytes];
      if (bytes.length < wanted) break;
      onEnvelope(bytes.slice(0, wanted));
      this.#pieces = [bytes.subarray(wanted)];
      this.#bytes = bytes.length - wanted;
      this.#wanted = FRAME_PREFIX_BYTES;
    }
  }
}

/** Returns the size of the envelope at the begin of `bytes`, which contain its prefix. */
function envelopeBytes({ buffer, byteOffset }: Uint8Array): number {
  return FRAME_PREFIX_BYTES + new DataView(buffer, byteOffset + 1, 4).getUint32(0);
}

function concat(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(pieces.reduce((bytes, { length }) => bytes + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
