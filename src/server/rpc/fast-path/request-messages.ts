/** The request messages of a stream, decoded directly from the received bytes. */
import type { Message } from "@bufbuild/protobuf";
import { appendBytes, NO_BUFFER } from "../../http/append-bytes.ts";
import type { BodyReader } from "../../http/exchange.ts";
import { noRoomForMessage } from "../call-errors.ts";
import { ENVELOPE_PREFIX_BYTES, envelopeBytes } from "../envelope.ts";
import type { ErrorMapper } from "../error-mapper.ts";
import { MIN_WEIGHED_BYTES, weigh } from "../weigh.ts";
import type { StreamCall } from "./call.ts";
import { UnusualMessages } from "./unusual-messages.ts";

type Result = IteratorResult<Message, undefined>;

const DONE: Result = { done: true, value: undefined };

/**
 * The iterator that a handler reads. An async generator would cost several promises for each message. From the first
 * unusual envelope on, the messages come from `UnusualMessages`.
 */
export class RequestMessages implements AsyncIterableIterator<Message, undefined> {
  readonly #call: StreamCall;
  readonly #errors: ErrorMapper;
  readonly #body: BodyReader;
  /** Bytes that were taken from the body, up to `#end`. The next envelope begins at `#at`. */
  #bytes: Uint8Array = NO_BUFFER;
  #at = 0;
  #end = 0;
  /** Memory that is reserved for `#bytes`. */
  #reservedBytes = 0;
  /** Memory that is reserved for the newest message. */
  #messageBytes = 0;
  /** The result of a `next` that waits for bytes. */
  #waiting: PromiseWithResolvers<Result> | undefined;
  #isDone = false;
  #unusual: UnusualMessages | undefined;

  /** Begins to read the body of a call. */
  constructor(call: StreamCall, errors: ErrorMapper) {
    this.#call = call;
    this.#errors = errors;
    this.#body = call.exchange.readBody(() => this.#wake());
    call.requests = this;
    call.onEnded = () => this.#wake();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      const next = (): Promise<Result> => this.next();
      return waiting.promise.then(next, next);
    }
    try {
      const result = this.#read();
      if (result !== undefined) return Promise.resolve(result);
    } catch (error) {
      this.#isDone = true;
      return Promise.reject(error);
    }
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Ends the iteration. The rest of the body is not read. */
  return(): Promise<Result> {
    this.#isDone = true;
    this.#wake();
    return Promise.resolve(DONE);
  }

  /** Releases the memory of the messages. Must be called after the end of the call. */
  close(): void {
    this.#isDone = true;
    this.#call.exchange.release(this.#reservedBytes + this.#messageBytes);
    this.#reservedBytes = 0;
    this.#messageBytes = 0;
    this.#unusual?.close();
  }

  /** Continues a waiting `next`, because bytes have arrived, or because the body or the call has ended. */
  #wake(): void {
    this.#unusual?.wake();
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const result = this.#read();
      if (result === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(result);
    } catch (error) {
      this.#isDone = true;
      this.#waiting = undefined;
      // If the handler has stopped waiting, the rejection must not count as unhandled.
      waiting.promise.catch(() => {});
      waiting.reject(error);
    }
  }

  /** Returns the next message or the end of the messages. Returns undefined if more bytes must arrive first. */
  #read(): Result | Promise<Result> | undefined {
    if (this.#messageBytes > 0) {
      this.#call.exchange.release(this.#messageBytes);
      this.#messageBytes = 0;
    }
    while (!this.#isDone) {
      if (this.#unusual !== undefined) return this.#unusual.next();
      const message = this.#decode();
      if (message !== undefined) return { done: false, value: message };
      if (this.#unusual !== undefined) continue;
      if (this.#call.hasEnded) throw this.#call.signal.reason;
      if (this.#take()) continue;
      if (!this.#body.isComplete) return undefined;
      if (this.#at < this.#end) this.#leave();
      else this.#isDone = true;
    }
    return DONE;
  }

  /** Decodes the next envelope. Returns undefined if the envelope is not complete, or after a call of `#leave`. */
  #decode(): Message | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    if (this.#end - at < ENVELOPE_PREFIX_BYTES) return undefined;
    const length = envelopeBytes(bytes, at) - ENVELOPE_PREFIX_BYTES;
    const { method, input } = this.#call.negotiation;
    if (bytes[at] !== 0 || length > method.readMaxBytes) {
      this.#leave();
      return undefined;
    }
    const start = at + ENVELOPE_PREFIX_BYTES;
    if (this.#end - start < length) return undefined;
    let message: Message;
    try {
      // Not a Buffer, because the bytes fields of the message are views of the same type.
      message = input.parse(new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, length));
    } catch {
      this.#leave();
      return undefined;
    }
    this.#at = start + length;
    if (length >= MIN_WEIGHED_BYTES) this.#reserveMessage(message);
    return message;
  }

  /** Reserves the memory that a decoded message takes in addition to its bytes, until the next message is requested. */
  #reserveMessage(message: Message): void {
    const bytes = weigh(message);
    if (!this.#call.exchange.tryReserve(bytes)) throw noRoomForMessage();
    this.#messageBytes = bytes;
  }

  /** Takes the bytes that have arrived. Returns false if none have. Throws if there is not enough memory. */
  #take(): boolean {
    const { exchange } = this.#call;
    const piece = this.#body.take();
    if (piece.length === 0) return false;
    this.#call.received(piece);
    exchange.release(this.#reservedBytes);
    this.#reservedBytes = 0;
    const left = this.#end - this.#at;
    if (!exchange.tryReserve(left + piece.length)) throw this.#errors.fromRequest(noRoomForMessage(), this.#call);
    this.#reservedBytes = left + piece.length;
    if (left === 0) this.#bytes = piece;
    else {
      const bytes = this.#bytes;
      // After the first incomplete envelope, the bytes begin with it, so that each piece is only appended.
      const held = this.#at === 0 ? (bytes as Buffer) : Buffer.from(bytes.subarray(this.#at, this.#end));
      this.#bytes = appendBytes(held, left, piece);
    }
    this.#at = 0;
    this.#end = left + piece.length;
    return true;
  }

  /** Leaves the rest of the body, from the next envelope on, to Connect's functions. */
  #leave(): void {
    const rest = this.#bytes.subarray(this.#at, this.#end);
    this.#bytes = NO_BUFFER;
    this.#at = 0;
    this.#end = 0;
    this.#call.exchange.release(this.#reservedBytes);
    this.#reservedBytes = 0;
    this.#unusual = new UnusualMessages(this.#call, rest, this.#body, this.#errors);
  }
}
