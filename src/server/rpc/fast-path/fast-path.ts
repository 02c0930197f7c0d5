/**
 * The fast path runs valid calls without the overhead of Connect's streams. The fast path leaves all other calls,
 * including malformed ones, to Connect's handlers. So only Connect's handlers write protocol errors.
 */
import { create, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { EMPTY_BYTES, type Exchange, type Handler, requestField } from "../../http/exchange.ts";
import type { Budget } from "../../limits/budget.ts";
import { deadlineExceeded, noRoomForMessage, rewordLimitError } from "../call-errors.ts";
import { Deadlines } from "../deadlines.ts";
import type { Observation, Observations } from "../observation.ts";
import type { RequestGate } from "../options.ts";
import { MIN_WEIGHED_BYTES, weigh } from "../weigh.ts";
import { createValues, NO_TIMEOUT, StreamCall, UnaryCall } from "./call.ts";
import { intercept } from "./interceptors.ts";
import { isStream, Negotiator } from "./negotiation.ts";
import type { Fallback, FastPathOptions } from "./options.ts";
import type { UnaryNegotiation } from "./protocol.ts";
import { Streams } from "./streams.ts";

export class FastPath {
  readonly #options: FastPathOptions;
  readonly #fallback: Fallback;
  readonly #inFlight: Budget;
  readonly #negotiator: Negotiator;
  readonly #streams: Streams;
  readonly #observations: Observations | undefined;
  /** The calls that wait for a promise of their handler or gate, and were not ended by a deadline or by `cutSignal`. */
  readonly #deadlines: Deadlines<UnaryCall>;

  constructor(options: FastPathOptions) {
    this.#options = options;
    this.#fallback = options.fallback;
    this.#inFlight = options.inFlight;
    this.#observations = options.observations;
    this.#negotiator = new Negotiator(options.methods);
    this.#streams = new Streams(options);
    this.#deadlines = new Deadlines(options, (call, error) => this.#fail(call, error));
  }

  // Callbacks are fields, so that calls do not create closures for them.

  readonly handle: Handler = (exchange) => {
    const call = this.#inFlight.isFull ? undefined : this.#callOf(exchange);
    if (call === undefined) {
      this.#fallback.handle(exchange);
      return;
    }
    if (this.#observations !== undefined) {
      call.observation = this.#observations.begin(exchange, call.method, call.protocolName);
    }
    if (call instanceof StreamCall) this.#streams.handle(call);
    else if (call.negotiation.method.requestGate === undefined) this.#readMessage(call);
    else this.#runGate(call, call.negotiation.method.requestGate);
  };

  /** Returns the call of an exchange. Returns undefined if the call must be left to Connect's handlers. */
  #callOf(exchange: Exchange): UnaryCall | StreamCall | undefined {
    const { request } = exchange;
    const negotiation = this.#negotiator.negotiate(request);
    if (negotiation === null) return undefined;
    const { protocol, method } = negotiation;
    const timeout = requestField(request, protocol.timeoutHeader);
    const timeoutMs = timeout === undefined ? NO_TIMEOUT : protocol.timeoutMs(timeout);
    // Connect's handlers reject an invalid timeout, which is NaN, and a timeout above the maximum.
    const isValid = timeout === undefined || timeoutMs <= method.maxTimeoutMs;
    if (!isValid) return undefined;
    // Only the client limits the duration of a stream.
    if (isStream(negotiation)) return new StreamCall(exchange, negotiation, timeoutMs, Number.POSITIVE_INFINITY);
    return new UnaryCall(exchange, negotiation, timeoutMs, this.#options.deadlineMs);
  }

  /** Runs a call when its message was received. Leaves the call to Connect's handlers if the message is invalid. */
  readonly #readMessage = (call: UnaryCall): void => {
    const { exchange, negotiation } = call;
    const { message, method, protocol } = negotiation;
    // Connect's handlers do not run a gate that has passed here.
    const passed = method.requestGate === undefined ? undefined : call;
    if (message !== undefined) {
      if (!this.#tryRun(call, message, 0)) this.#fallback.handle(exchange, passed, call.observation);
      return;
    }
    exchange.bufferBody(
      method.bodyMaxBytes,
      (body) => {
        const isRunning = this.#tryRun(call, protocol.messageIn(body), body.length);
        if (!isRunning) this.#fallback.handleBuffered(exchange, body, passed, call.observation);
      },
      () => {
        call.finish();
        this.#fallback.handleLarge(exchange, passed, call.observation);
      },
      protocol.bodyBytes,
    );
  };

  readonly #succeed = (call: UnaryCall, output: object): void => {
    const { method, output: codec } = call.negotiation;
    let message: Uint8Array;
    try {
      if (call.isLate) throw deadlineExceeded();
      message = codec.serialize(create(method.desc.output, output as never));
    } catch (error) {
      if (error instanceof ConnectError) {
        rewordLimitError(error);
        this.#fail(call, error);
      } else this.#failFromHandler(call, error);
      return;
    }
    this.#respond(call, message, undefined);
  };

  /** Runs the request gate of a method, before the request body is read. */
  #runGate(call: UnaryCall, gate: RequestGate): void {
    let passed: void | Promise<void>;
    try {
      passed = call.observation?.scope === undefined ? runGate(call, gate) : runGateInScope(call, gate);
    } catch (error) {
      this.#failFromHandler(call, error);
      return;
    }
    if (isPromise(passed)) this.#wait(call, passed, 0, this.#readMessage);
    else this.#readMessage(call);
  }

  /**
   * Runs a call whose gate has passed, and returns true. If the message is invalid or the limit on handlers is reached, only
   * finishes the call and returns false: Connect's handlers must then respond.
   */
  #tryRun(call: UnaryCall, message: Uint8Array | undefined, bodyBytes: number): boolean {
    if (call.observation !== undefined) call.observation.requestBytes = bodyBytes;
    const input = decode(call.negotiation, message);
    if (input === undefined || this.#inFlight.isFull) {
      call.finish();
      return false;
    }
    this.#run(call, input, bodyBytes);
    return true;
  }

  /**
   * Runs the handler. Fails the call instead if there is too little memory for the body and `input`; only bodies of
   * MIN_WEIGHED_BYTES or more are checked. `bodyBytes` is the size of the body, which is 0 for a GET.
   */
  #run(call: UnaryCall, input: Message, bodyBytes: number): void {
    if (bodyBytes < MIN_WEIGHED_BYTES) {
      this.#runHandler(call, input, bodyBytes);
      return;
    }
    const { exchange } = call;
    const bytes = bodyBytes + weigh(input);
    if (!exchange.tryReserve(bytes)) this.#fail(call, noRoomForMessage());
    else {
      exchange.release(bytes);
      this.#runHandler(call, input, bytes);
    }
  }

  /**
   * Runs the interceptors and the handler. If they return a promise, reserves `bytes`, if there is room, until it
   * settles.
   */
  #runHandler(call: UnaryCall, input: Message, bytes: number): void {
    let output: object | PromiseLike<object>;
    try {
      output = call.observation?.scope === undefined ? runHandler(call, input) : runInScope(call, input);
    } catch (error) {
      this.#failFromHandler(call, error);
      return;
    }
    if (isPromise(output)) this.#wait(call, output, bytes, this.#succeed);
    else this.#succeed(call, output);
  }

  /**
   * Waits for `result` of a handler or a gate. Then calls `next` with the result, or fails the call if `result` was
   * rejected. If the call has finished meanwhile, the result is dropped.
   *
   * Until `result` settles, counts a running handler, except for exempt services. Until then also reserves `bytes`, if
   * there is room. Both last even after the call has finished, because the handler still has the message.
   */
  #wait<T>(call: UnaryCall, result: PromiseLike<T>, bytes: number, next: (call: UnaryCall, result: T) => void): void {
    const counted = this.#options.isExempt(call.service) ? 0 : 1;
    const held = call.exchange.tryReserve(bytes) ? bytes : 0;
    this.#deadlines.add(call);
    this.#inFlight.reserve(counted);
    result.then(
      (value) => {
        this.#endWait(call, counted, held);
        if (!call.isFinished) next(call, value);
      },
      (error) => {
        this.#endWait(call, counted, held);
        if (!call.isFinished) this.#failFromHandler(call, error);
      },
    );
  }

  #endWait(call: UnaryCall, counted: number, held: number): void {
    this.#deadlines.remove(call);
    call.exchange.release(held);
    this.#inFlight.release(counted);
  }

  #failFromHandler(call: UnaryCall, error: unknown): void {
    const { errors } = this.#options;
    this.#fail(call, call.isLate ? deadlineExceeded() : errors.toConnectError(error, call, call.abortReason));
  }

  #fail(call: UnaryCall, error: ConnectError): void {
    this.#respond(call, EMPTY_BYTES, error);
  }

  #respond(call: UnaryCall, message: Uint8Array, error: ConnectError | undefined): void {
    const { protocol } = call.negotiation;
    call.finish(error);
    try {
      const sent = error === undefined ? protocol.sendMessage(call, message) : protocol.sendError(call, error);
      if (sent !== undefined) this.#whenSent(call, sent, error);
      else call.observation?.end(error?.code);
    } catch (reason) {
      this.#onResponseFailed(call, reason);
    }
  }

  /** Waits for a response that is compressed first. */
  #whenSent(call: UnaryCall, sent: Promise<void>, error: ConnectError | undefined): void {
    sent.then(
      () => call.observation?.end(error?.code),
      (reason) => this.#onResponseFailed(call, reason),
    );
  }

  #onResponseFailed(call: UnaryCall, reason: unknown): void {
    this.#fallback.onResponseFailed(call.exchange, reason);
    call.observation?.end(Code.Internal);
  }
}

function runHandler(call: UnaryCall, input: Message): object | PromiseLike<object> {
  const { impl, interceptors } = call.negotiation.method;
  createValues(call);
  return interceptors.length === 0 ? impl(input, call) : intercept(call, input, interceptors);
}

function runGate(call: UnaryCall, gate: RequestGate): void | Promise<void> {
  createValues(call);
  return gate(call);
}

// The functions with closures are apart, because V8 would allocate a context for each call of the others.

function runInScope(call: UnaryCall, input: Message): object | PromiseLike<object> {
  return (call.observation as Observation).run(() => runHandler(call, input));
}

function runGateInScope(call: UnaryCall, gate: RequestGate): void | Promise<void> {
  return (call.observation as Observation).run(() => runGate(call, gate));
}

/**
 * Returns the decoded message, or undefined if `bytes` is undefined or invalid. Connect's handlers then write the
 * error.
 */
function decode({ input }: UnaryNegotiation, bytes: Uint8Array | undefined): Message | undefined {
  if (bytes === undefined) return undefined;
  try {
    return input.parse(bytes as Uint8Array<ArrayBuffer>);
  } catch {
    return undefined;
  }
}

/** True if `output` is a promise. A JavaScript handler may return undefined, which Connect treats as an empty message. */
function isPromise<T>(output: T | PromiseLike<T>): output is PromiseLike<T> {
  return typeof (output as Partial<PromiseLike<T>> | null | undefined)?.then === "function";
}
