/** A call that one of Connect's universal handlers runs, from its exchange to the end of the response. */
import { setImmediate } from "node:timers/promises";
import type { ContextValues, HandlerContext, Interceptor } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { urlOf } from "../http/authority.ts";
import type { Exchange } from "../http/exchange.ts";
import { MAX_TIMER_MS } from "../limits/process-clock.ts";
import { callCancelled } from "./call-errors.ts";
import { CallMemory } from "./call-memory.ts";
import { peerValues } from "./context-values.ts";
import type { DeadlineEntry } from "./deadlines.ts";
import type { FastPathCall } from "./fast-path/call.ts";
import { plainGrpcMessage } from "./grpc-message.ts";
import type { Procedure } from "./registrations.ts";
import { acceptPost } from "./unimplemented.ts";

const CONTENT_LENGTH = "content-length";

/** The body of a request in pieces, or a promise of it. */
export type BodyPieces = AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

export interface UniversalCallOptions {
  /** Maximum duration of the call; Infinity for none. */
  readonly maxMs: number;
  /** Returns the body of the request. Called at most once, when Connect's handler reads the body. */
  readonly body: (call: UniversalCall) => BodyPieces;
  /** The same call on the fast path, if its request gate has passed there. */
  readonly passed: FastPathCall | undefined;
}

export class UniversalCall implements DeadlineEntry<UniversalCall> {
  static readonly #calls = new WeakMap<ContextValues, UniversalCall>();
  readonly exchange: Exchange;
  readonly procedure: Procedure;
  /** Time at which the call ends with deadline_exceeded, in ms of `performance.now()`; Infinity for never. */
  readonly deadline: number;
  readonly passed: FastPathCall | undefined;
  readonly values: ContextValues;
  /** The error of the function that makes the context values; undefined if it has succeeded. */
  readonly valuesError: unknown;
  readonly memory: CallMemory;
  next: UniversalCall | undefined;
  previous: UniversalCall | undefined;
  readonly #body: (call: UniversalCall) => BodyPieces;
  readonly #abort = new AbortController();
  #isCancelled = false;
  #restoreLength: (() => void) | undefined;

  constructor(exchange: Exchange, procedure: Procedure, { maxMs, body, passed }: UniversalCallOptions) {
    this.exchange = exchange;
    this.procedure = procedure;
    this.deadline = exchange.startedAt + maxMs;
    this.passed = passed;
    try {
      this.values = passed?.values ?? (procedure.contextValues ?? peerValues)(exchange);
    } catch (error) {
      this.values = peerValues(exchange);
      this.valuesError = error ?? new Error(`contextValues: threw ${error}`);
    }
    this.memory = new CallMemory(exchange, this.signal);
    this.#body = body;
    UniversalCall.#calls.set(this.values, this);
    exchange.onCancelled = () => {
      this.#isCancelled = true;
      this.end(callCancelled());
    };
  }

  /** Returns the call with these context values. */
  static of(values: ContextValues): UniversalCall {
    return UniversalCall.#calls.get(values) as UniversalCall;
  }

  /** Aborts when `end` is called. Connect's handler gets this signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Ends the call early by aborting `signal`. Connect's handler then responds with `reason`, unless it has responded
   * already.
   */
  end(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Prepares the call for the reading of its body. Must be called when the request gate has passed. */
  onGatePassed(context: HandlerContext): void {
    if (context.method.methodKind === "unary") this.#hideLength(context.requestHeader);
    // A stream must stop waiting for messages when the signal of its handler aborts, for example at the client's
    // deadline.
    else context.signal.addEventListener("abort", () => this.end(context.signal.reason));
  }

  /**
   * Runs Connect's handler and sends its response. Resolves when the whole response was sent, or when the exchange was
   * reset because it is cancelled. Rejects if the response cannot be sent.
   */
  async respond(): Promise<void> {
    const { handler } = this.procedure;
    const request = this.#request();
    // Starts streams one after the other, so that each can queue its first message before the next stream starts.
    // Streams that start together would each create a message before any queued message is counted.
    if (handler.method.methodKind !== "unary") await setImmediate();
    await this.#send(await handler(request));
  }

  #request(): UniversalServerRequest {
    const { httpVersion, method, fields } = this.exchange.request;
    const header = new Headers(fields as [string, string][]);
    clampTimeouts(header);
    return {
      httpVersion,
      url: urlOf(this.exchange.request),
      method,
      header,
      body: this.#bodyBytes(),
      signal: this.signal,
      contextValues: this.values,
    };
  }

  async *#bodyBytes(): AsyncIterable<Uint8Array> {
    this.#restoreLength?.();
    yield* await this.#body(this);
  }

  async #send({ status, header, body, trailer }: UniversalServerResponse): Promise<void> {
    const { exchange } = this;
    const { handler } = this.procedure;
    const head = { status, fields: [...(header ?? []), ...(status === 415 ? acceptPost(handler) : [])] };
    // The head of a stream cannot wait for its body.
    const isStream = handler.method.methodKind !== "unary" && body !== undefined;
    if (isStream) exchange.start(head);
    const pieces: Uint8Array[] = [];
    for await (const piece of body ?? []) {
      if (this.#isCancelled) return exchange.reset();
      const writable = isStream ? exchange.write(piece) : void pieces.push(piece);
      if (writable === undefined) continue;
      await writable;
      // The second check keeps the handler of a cancelled call from creating the next piece.
      if (this.#isCancelled) return exchange.reset();
    }
    const trailers = plainGrpcMessage([...(trailer ?? [])]);
    if (isStream) exchange.end(trailers);
    else exchange.respond(head, pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces), trailers);
  }

  /**
   * Removes content-length from the headers until the body is read. Connect would allocate a buffer of that length before
   * any byte of the body has arrived. A length above the maximum stays, so that Connect rejects it immediately.
   */
  #hideLength(header: Headers): void {
    const length = header.get(CONTENT_LENGTH);
    if (length === null || Number(length) > this.procedure.options.readMaxBytes) return;
    header.delete(CONTENT_LENGTH);
    this.#restoreLength = () => header.set(CONTENT_LENGTH, length);
  }
}

/** Reserves memory for decoded request messages (`CallMemory.runHandler`, `CallMemory.reserveEach`). */
export const reserveMessages: Interceptor = (next) => (request) => {
  const { memory } = UniversalCall.of(request.contextValues);
  if (request.stream) return next({ ...request, message: memory.reserveEach(request.message) });
  return memory.runHandler(request.message, () => next(request));
};

/** Milliseconds per unit of grpc-timeout, for the units in which eight digits can exceed MAX_TIMER_MS. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** Lowers the timeout of gRPC or Connect in the headers to MAX_TIMER_MS (24 days). A longer timer would fire immediately. */
function clampTimeouts(header: Headers): void {
  const [, digits, unit = ""] = /^(\d{1,8})([HMS])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  if (Number(digits) * (UNIT_MS[unit] ?? 0) > MAX_TIMER_MS) {
    header.set("grpc-timeout", `${Math.floor(MAX_TIMER_MS / 1_000)}S`);
  }
  const ms = header.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(ms) && Number(ms) > MAX_TIMER_MS) header.set("connect-timeout-ms", String(MAX_TIMER_MS));
}
