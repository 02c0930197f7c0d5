/**
 * The fast path: a valid unary call from bytes to bytes, without the machinery that streams need. What it does not know,
 * or finds malformed before the handler runs, it leaves to Connect's handlers, which then answer: errors of a protocol
 * have one author.
 */
import { create, type DescService, type Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { EMPTY_BYTES, type Exchange, type Handler } from "../../http/exchange.ts";
import type { Budget } from "../../limits/budget.ts";
import { deadlineExceeded } from "../call-ends.ts";
import { Deadlines } from "../deadlines.ts";
import { noRoomForMessage, renameLimit } from "../message-errors.ts";
import { MIN_WEIGHED_BYTES, weigh } from "../message-memory.ts";
import { UnaryCall } from "./call.ts";
import { intercept } from "./interceptors.ts";
import type { RequestGate, UnaryMethod } from "./methods.ts";
import { type Plan, Plans } from "./negotiation.ts";

export interface FastPathOptions {
  /** The methods that it may run, by path. */
  readonly methods: ReadonlyMap<string, UnaryMethod>;
  /** Handlers that run; where it is spent, Connect's handlers refuse. */
  readonly inFlight: Budget;
  /** Whether a service's calls are not counted. */
  readonly isExempt: (service: DescService) => boolean;
  /** ms that a call may take, whatever its caller says. */
  readonly deadlineMs: number;
  /** Ends every call that waits for its handler when it aborts, with its reason. */
  readonly cutSignal: AbortSignal;
  /** Connect's handlers: of an exchange that was not touched, of one with its whole body, and of one with its body to be read. */
  readonly connect: {
    readonly handle: Handler;
    readonly handleWhole: (body: Uint8Array, exchange: Exchange) => void;
    readonly handleInPieces: Handler;
    /** Tells that the gate of a call has run, before the call is left to one of these. */
    readonly entered: (call: UnaryCall) => void;
  };
  /** What a caller is told of what a handler threw; the call is for the log, and endReason is why the call had ended. */
  readonly toConnectError: (error: unknown, call: UnaryCall, endReason: unknown) => ConnectError;
  /** Gives an exchange up whose answer cannot be sent. */
  readonly cannotAnswer: (exchange: Exchange, error: unknown) => void;
}

export function createFastPath(options: FastPathOptions): Handler {
  const { methods, inFlight, deadlineMs, connect } = options;
  const plans = new Plans(methods);
  const deadlines = new Deadlines<UnaryCall>((call) => fail(call, deadlineExceeded()));
  options.cutSignal.addEventListener("abort", () => {
    for (const call of deadlines.takeAll()) fail(call, options.cutSignal.reason);
  });

  function fastPath(exchange: Exchange): void {
    const plan = plans.of(exchange.request);
    if (plan === null || inFlight.isFull) connect.handle(exchange);
    else if (plan.method.requestGate !== undefined) enter(exchange, plan, plan.method.requestGate);
    else if (plan.message === undefined)
      exchange.bufferBody(plan.method.bodyMaxBytes, buffered, connect.handleInPieces);
    else {
      const input = decode(plan, plan.message);
      if (input === undefined) connect.handle(exchange);
      else run(new UnaryCall(exchange, plan, deadlineMs), input, 0);
    }
  }

  /** Runs the gate of a method before the request's body is read. */
  function enter(exchange: Exchange, plan: Plan, gate: RequestGate): void {
    const call = new UnaryCall(exchange, plan, deadlineMs);
    let passed: void | Promise<void>;
    try {
      passed = gate(call);
    } catch (error) {
      failFromHandler(call, error);
      return;
    }
    if (isPromise(passed)) wait(call, passed, 0, entered);
    else entered(call);
  }

  function entered(call: UnaryCall): void {
    const { exchange, plan } = call;
    if (plan.message !== undefined) runEntered(call, plan.message, 0, connect.handle);
    else {
      exchange.bufferBody(
        plan.method.bodyMaxBytes,
        (body) => runEntered(call, plan.wire.message(body), body.length, (each) => connect.handleWhole(body, each)),
        (each) => leave(call, () => connect.handleInPieces(each)),
      );
    }
  }

  function runEntered(call: UnaryCall, message: Uint8Array | undefined, bodyBytes: number, otherwise: Handler): void {
    const input = decode(call.plan, message);
    if (input === undefined || inFlight.isFull) leave(call, otherwise);
    else run(call, input, bodyBytes);
  }

  /** Leaves a call to Connect's handlers, which do not run its gate again. */
  function leave(call: UnaryCall, handler: Handler): void {
    call.finish();
    connect.entered(call);
    handler(call.exchange);
  }

  function buffered(body: Uint8Array, exchange: Exchange): void {
    const plan = plans.of(exchange.request) as Plan;
    const input = decode(plan, plan.wire.message(body));
    if (input === undefined || inFlight.isFull) connect.handleWhole(body, exchange);
    else run(new UnaryCall(exchange, plan, deadlineMs), input, body.length);
  }

  /** bodyBytes is the size of the body that the input is from. */
  function run(call: UnaryCall, input: Message, bodyBytes: number): void {
    if (bodyBytes < MIN_WEIGHED_BYTES) handle(call, input, bodyBytes);
    else {
      const { exchange } = call;
      const bytes = bodyBytes + weigh(input);
      if (!exchange.tryReserve(bytes)) fail(call, noRoomForMessage());
      else {
        exchange.release(bytes);
        handle(call, input, bytes);
      }
    }
  }

  /** bytes is the size of the input, as its handler keeps it. */
  function handle(call: UnaryCall, input: Message, bytes: number): void {
    const { impl, interceptors } = call.plan.method;
    let output: object | PromiseLike<object>;
    try {
      output = interceptors.length === 0 ? impl(input, call) : intercept(call, input, interceptors);
    } catch (error) {
      failFromHandler(call, error);
      return;
    }
    if (isPromise(output)) wait(call, output, bytes, succeed);
    else succeed(call, output);
  }

  /**
   * Goes on when a handler or gate has ended, unless its call has ended before. Its bytes have their room until then, which
   * may be after the response: the handler has the message.
   */
  function wait<T>(
    call: UnaryCall,
    output: PromiseLike<T>,
    bytes: number,
    goOn: (call: UnaryCall, output: T) => void,
  ): void {
    const counted = options.isExempt(call.service) ? 0 : 1;
    const held = call.exchange.tryReserve(bytes) ? bytes : 0;
    deadlines.add(call);
    inFlight.reserve(counted);
    output.then(
      (message) => (settled(call, counted, held) ? goOn(call, message) : undefined),
      (error) => (settled(call, counted, held) ? failFromHandler(call, error) : undefined),
    );
  }

  /** Its handler has ended. Whether it is to be answered still. */
  function settled(call: UnaryCall, counted: number, held: number): boolean {
    deadlines.remove(call);
    call.exchange.release(held);
    inFlight.release(counted);
    return !call.answered;
  }

  function succeed(call: UnaryCall, output: object): void {
    const { method, output: codec } = call.plan;
    let bytes: Uint8Array;
    try {
      if (call.isLate) throw deadlineExceeded();
      bytes = codec.serialize(create(method.desc.output, output as never));
    } catch (error) {
      if (error instanceof ConnectError) {
        renameLimit(error);
        fail(call, error);
      } else failFromHandler(call, error);
      return;
    }
    answer(call, bytes, undefined);
  }

  function failFromHandler(call: UnaryCall, error: unknown): void {
    fail(call, call.isLate ? deadlineExceeded() : options.toConnectError(error, call, call.endReason));
  }

  function fail(call: UnaryCall, error: ConnectError): void {
    answer(call, EMPTY_BYTES, error);
  }

  function answer(call: UnaryCall, message: Uint8Array, error: ConnectError | undefined): void {
    const { wire } = call.plan;
    call.finish(error);
    try {
      const sent = error === undefined ? wire.succeed(call, message) : wire.fail(call, error);
      sent?.catch((reason) => options.cannotAnswer(call.exchange, reason));
    } catch (reason) {
      options.cannotAnswer(call.exchange, reason);
    }
  }

  return fastPath;
}

/** The message, or undefined where the bytes are none: Connect's handlers then find out why, and say so. */
function decode({ input }: Plan, bytes: Uint8Array | undefined): Message | undefined {
  if (bytes === undefined) return undefined;
  try {
    return input.parse(bytes as Uint8Array<ArrayBuffer>);
  } catch {
    return undefined;
  }
}

/** A handler may return nothing where nobody checks its types; Connect takes that for an empty message. */
function isPromise<T>(output: T | PromiseLike<T>): output is PromiseLike<T> {
  return typeof (output as Partial<PromiseLike<T>> | null | undefined)?.then === "function";
}
