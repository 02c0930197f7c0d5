/** One call that Connect's universal handler answers, from its exchange to the exchange's end. */
import { setImmediate } from "node:timers/promises";
import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { urlOf } from "../http/authority.ts";
import type { Exchange } from "../http/exchange.ts";
import { callerGone } from "./call-ends.ts";
import type { MessageHolder } from "./compression.ts";
import type { Waiting } from "./deadlines.ts";
import { plainGrpcMessage } from "./grpc-message.ts";
import { noRoomForMessage } from "./message-errors.ts";
import { MIN_WEIGHED_BYTES, weigh } from "./message-memory.ts";
import { contextValuesOf } from "./peer.ts";
import { clampTimeouts } from "./timeouts.ts";
import { acceptPost } from "./unimplemented.ts";

const CONTENT_LENGTH = "content-length";

/** A request's body: in pieces, or a promise of them. */
export type RequestBody = AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

export class UniversalCall implements Waiting<UniversalCall>, MessageHolder {
  readonly exchange: Exchange;
  /** When it is given up, in ms of performance.now(); Infinity for never. */
  readonly deadline: number;
  next: UniversalCall | undefined;
  previous: UniversalCall | undefined;
  readonly values: ContextValues;
  readonly #abort = new AbortController();
  #isAbandoned = false;
  /** Bytes that are held for its handler, and those among them of the message that was decompressed last. */
  #held = 0;
  #heldMessage = 0;
  /** The response is sent, and the handler runs still. */
  #answered = false;
  #handling = false;
  readonly #body: (call: UniversalCall) => RequestBody;
  #restoreLength: (() => void) | undefined;

  /** deadlineMs is how long it may take, Infinity for ever. `body` is called when the call is to have its request's body. */
  constructor(exchange: Exchange, deadlineMs: number, body: (call: UniversalCall) => RequestBody) {
    this.exchange = exchange;
    this.#body = body;
    this.deadline = exchange.startedAt + deadlineMs;
    this.values = contextValuesOf(exchange);
    exchange.onCancelled = () => {
      this.#isAbandoned = true;
      this.end(callerGone());
    };
  }

  /** Aborts when the call has ended for its handler. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  hold(bytes: number): boolean {
    if (this.#answered || !this.exchange.tryReserve(bytes)) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.exchange.release(bytes);
    this.#held -= bytes;
  }

  keepMessage(bytes: number): void {
    this.release(this.#heldMessage);
    this.#heldMessage = bytes;
  }

  /**
   * Takes room for what a decoded message takes beside its bytes. Returns how much; throws if there is none. What is held
   * for the call says if the message may be large.
   */
  holdWeight(message: object): number {
    const bytes = this.#held < MIN_WEIGHED_BYTES ? 0 : weigh(message);
    if (!this.hold(bytes)) throw noRoomForMessage();
    return bytes;
  }

  /** Gives each message of a stream, which has room until the next is asked for. */
  async *weighed<T extends object>(messages: AsyncIterable<T>): AsyncIterable<T> {
    for await (const message of messages) {
      const bytes = this.holdWeight(message);
      yield message;
      this.release(bytes);
    }
  }

  /**
   * Hides a content-length until the body is asked for. Of one that it sees, Connect makes a buffer before a byte of the
   * body has come. One over a message's limit stays, to be refused at once.
   */
  hideLength(header: Headers, maxBytes: number): void {
    const length = header.get(CONTENT_LENGTH);
    if (length === null || Number(length) > maxBytes) return;
    header.delete(CONTENT_LENGTH);
    this.#restoreLength = () => header.set(CONTENT_LENGTH, length);
  }

  async *#bodyBytes(): AsyncIterable<Uint8Array> {
    this.#restoreLength?.();
    yield* await this.#body(this);
  }

  /** Tells that a unary handler runs, which may be longer than its caller waits, and that it has ended. */
  handling(handling: boolean): void {
    this.#handling = handling;
    this.#releaseAll();
  }

  /** Tells that no more of the response will be sent. */
  answered(): void {
    this.#answered = true;
    this.#releaseAll();
  }

  #releaseAll(): void {
    if (this.#answered && !this.#handling) this.release(this.#held);
  }

  /** Ends it for its handler, and where that was not done yet, for its caller. */
  end(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Ends it together with a signal. */
  endWith(signal: AbortSignal): void {
    signal.addEventListener("abort", () => this.end(signal.reason));
  }

  /** Settles when all of the answer is sent. Rejects where it cannot be. */
  async answer(procedure: UniversalHandler): Promise<void> {
    const { exchange } = this;
    const { signal } = this.#abort;
    const { httpVersion, method, fields } = exchange.request;
    const header = new Headers(fields as [string, string][]);
    clampTimeouts(header);
    // In a turn of its own: streams that begin together would each make a message before the first is queued and counted.
    if (procedure.method.methodKind !== "unary") await setImmediate();
    const response = await procedure({
      httpVersion,
      url: urlOf(exchange.request),
      method,
      header,
      body: this.#bodyBytes(),
      signal,
      contextValues: this.values,
    });
    const { status, trailer } = response;
    const more = status === 415 ? acceptPost(procedure) : [];
    const head = { status, fields: [...(response.header ?? []), ...more] };
    // The head of a stream's response cannot wait for its body.
    const isStream = procedure.method.methodKind !== "unary" && response.body !== undefined;
    if (isStream) exchange.start(head);
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body ?? []) {
      if (this.#isAbandoned) return exchange.reset();
      const writable = isStream ? exchange.write(piece) : void pieces.push(piece);
      if (writable === undefined) continue;
      await writable;
      // Checked before the loop asks for the next piece, which the handler would make for nobody.
      if (this.#isAbandoned) return exchange.reset();
    }
    const trailers = plainGrpcMessage([...(trailer ?? [])]);
    if (isStream) exchange.end(trailers);
    else exchange.respond(head, pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces), trailers);
  }
}

/**
 * Buffers the body of a call, which holds it. Resolves with the whole of it, or with undefined if it has more than
 * `maxBytes` and is to be read in pieces. Rejects if the call ends before.
 */
export function bufferBody(call: UniversalCall, maxBytes: number): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const { exchange, signal } = call;
  if (signal.aborted) return Promise.reject(signal.reason);
  exchange.bufferBody(
    maxBytes,
    (bytes) => {
      call.hold(bytes.length);
      resolve(bytes);
    },
    () => resolve(undefined),
  );
  return unlessGone(promise, signal);
}

export async function* inOne(body: Uint8Array): AsyncIterable<Uint8Array> {
  if (body.length > 0) yield body;
}

/** The body as it comes, with its failure as the error that Connect has for it; and no longer than its call goes on. */
export async function* inPieces(body: AsyncIterable<Uint8Array>, gone: AbortSignal): AsyncIterable<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessGone(pieces.next(), gone);
      if (done) return;
      yield value;
    }
  } catch (cause) {
    throw gone.aborted ? gone.reason : callerGone(cause);
  } finally {
    void pieces.return?.(); // which waits for a piece that is asked for, if one is
  }
}

async function unlessGone<T>(result: Promise<T>, gone: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(gone.reason);
  result.then(resolve, reject);
  gone.addEventListener("abort", onAbort);
  if (gone.aborted) onAbort();
  try {
    return await promise;
  } finally {
    gone.removeEventListener("abort", onAbort);
  }
}
