/**
 * Decodes the rest of a stream's request by Connect's functions, from an unusual envelope on: one with flags, too large,
 * invalid or incomplete. So the errors are Connect's.
 */
import type { Message } from "@bufbuild/protobuf";
import {
  pipe,
  transformDecompressEnvelope,
  transformParseEnvelope,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import type { BodyReader } from "../../http/exchange.ts";
import { CallMemory } from "../call-memory.ts";
import { wholeEnvelopes } from "../envelope.ts";
import { type ErrorMapper, mapErrors } from "../error-mapper.ts";
import type { StreamCall } from "./call.ts";

export class UnusualMessages {
  readonly #call: StreamCall;
  readonly #body: BodyReader;
  readonly #memory: CallMemory;
  readonly #messages: AsyncIterator<Message>;
  #wake: (() => void) | undefined;

  /** `taken` are bytes that were taken from the body before. */
  constructor(call: StreamCall, taken: Uint8Array, body: BodyReader, errors: ErrorMapper) {
    const { negotiation, exchange, signal } = call;
    const { method, protocol, input } = negotiation;
    this.#call = call;
    this.#body = body;
    this.#memory = new CallMemory(exchange, signal);
    const messages = pipe(
      wholeEnvelopes(this.#pieces(taken), method.readMaxBytes, this.#memory),
      transformSplitEnvelope(method.readMaxBytes),
      transformDecompressEnvelope(null, method.readMaxBytes), // negotiation leaves compressed requests to Connect's handlers
      protocol.endFlag === undefined ? transformParseEnvelope(input) : transformParseEnvelope(input, protocol.endFlag),
    );
    const mapped = mapErrors(messages, (error) => errors.fromRequest(error, call));
    this.#messages = this.#memory.reserveEach(mapped)[Symbol.asyncIterator]();
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return this.#messages.next();
  }

  /** Continues to read, because bytes have arrived, or because the body or the call has ended. */
  wake(): void {
    this.#wake?.();
  }

  /** Releases the memory of the messages. */
  close(): void {
    this.#memory.onResponseSent();
  }

  async *#pieces(taken: Uint8Array): AsyncIterable<Uint8Array> {
    yield taken;
    for (;;) {
      if (this.#call.hasEnded) throw this.#call.signal.reason;
      const piece = this.#body.take();
      if (piece.length > 0) {
        this.#call.received(piece);
        yield piece;
      } else if (this.#body.isComplete) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}
