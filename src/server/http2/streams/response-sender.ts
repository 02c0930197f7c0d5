/** Encodes the responses of streams and passes them to the sender. */
import { EMPTY_BYTES, type Field, type Piece, type ResponseHead } from "../../http/exchange.ts";
import type { BaseStream } from "../common/base-stream.ts";
import type { Sender } from "../common/sender.ts";
import type { Time } from "../common/time.ts";
import { Flag } from "../frames/types.ts";
import type { ResponseBlock, ResponseEncoder } from "../headers/response-encoder.ts";

/** The field block of ":status: 100". */
const CONTINUE_BLOCK = Uint8Array.of(0x08, 0x03, 0x31, 0x30, 0x30);

/** The progress of the handler with its response. */
export const Progress = {
  /** The response has not begun. */
  Pending: 0,
  /** The head was sent. */
  Started: 1,
  /** The handler has completed the response or reset the stream. */
  Complete: 2,
  /** The stream ended, and the handler is still running. */
  Cancelled: 3,
} as const;

/** A stream that carries a response. */
export interface RespondingStream extends BaseStream {
  readonly request: { readonly method: string };
  /** True if the response has no content (RFC 9110, 6.4.1). Set by `start`. */
  omitsContent: boolean;
}

export class ResponseSender {
  readonly #sender: Sender<RespondingStream>;
  readonly #encoder: ResponseEncoder;
  readonly #time: Time;

  constructor(sender: Sender<RespondingStream>, encoder: ResponseEncoder, time: Time) {
    this.#sender = sender;
    this.#encoder = encoder;
    this.#time = time;
  }

  /** Sends a complete response. `body` must not change afterwards. Throws if a field or the status is invalid. */
  respond(stream: RespondingStream, head: ResponseHead, body: Piece, trailers: readonly Field[] | undefined): void {
    const encoded = this.#encoder.encodeHead(head);
    const trailerBlock = this.#encodeTrailers(trailers);
    const content = omitsContent(stream, encoded) ? EMPTY_BYTES : body;
    this.#sender.send(stream, encoded.block, this.#dateOf(encoded), content, trailerBlock);
  }

  /** Sends the head of a response. Throws if a field or the status is invalid. */
  start(stream: RespondingStream, head: ResponseHead): void {
    const encoded = this.#encoder.encodeHead(head);
    stream.omitsContent = omitsContent(stream, encoded);
    this.#sender.sendHeaders(stream.id, encoded.block, this.#dateOf(encoded), 0);
  }

  /**
   * Sends or queues a piece of the body, and returns the result of `Sender.write`. Discards the piece if the response
   * has no content.
   */
  write(stream: RespondingStream, piece: Piece): Promise<void> | undefined {
    return stream.omitsContent ? undefined : this.#sender.write(stream, piece);
  }

  /** Ends a response. Throws if a trailer is invalid. */
  end(stream: RespondingStream, trailers: readonly Field[] | undefined): void {
    this.#sender.end(stream, this.#encodeTrailers(trailers));
  }

  /** Sends a response without content. The caller closes the stream. */
  respondWithoutContent(streamId: number, head: ResponseHead): void {
    const encoded = this.#encoder.encodeHead(head);
    this.#sender.sendHeaders(streamId, encoded.block, this.#dateOf(encoded), Flag.EndStream);
  }

  /** Sends 100 (Continue) (RFC 9110, 15.2.1). */
  sendContinue(streamId: number): void {
    this.#sender.sendHeaders(streamId, CONTINUE_BLOCK, EMPTY_BYTES, 0);
  }

  /** Discards the queued bytes of a response. */
  discard(stream: RespondingStream): void {
    this.#sender.discard(stream);
  }

  #dateOf({ needsDate }: ResponseBlock): Uint8Array {
    return needsDate ? this.#time.dateField : EMPTY_BYTES;
  }

  #encodeTrailers(trailers: readonly Field[] | undefined): Uint8Array | undefined {
    return trailers === undefined || trailers.length === 0 ? undefined : this.#encoder.encodeTrailers(trailers);
  }
}

function omitsContent({ request }: RespondingStream, { noContent }: ResponseBlock): boolean {
  return noContent || request.method === "HEAD";
}
