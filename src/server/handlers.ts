/** Connect's universal handlers over an exchange. */
import type { DescService } from "@bufbuild/protobuf";
import { type ConnectRouter, type ContextValues, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { Budget } from "./budget.ts";
import { deadlineExceeded } from "./call-ends.ts";
import { createCallErrors } from "./call-errors.ts";
import { type CompressionLimits, createCompressions } from "./compression.ts";
import { wholeEnvelopes } from "./envelopes.ts";
import { type Exchange, fieldValue, type Handler } from "./exchange.ts";
import type { OnLimit } from "./limits.ts";
import { errorText } from "./log-entry.ts";
import { createOverload } from "./overload.ts";
import { respondMethodNotAllowed, respondOptions, respondUnknown } from "./refusals.ts";
import type { SparseLog } from "./sparse-log.ts";
import { Deadlines } from "./unary/deadlines.ts";
import { createLane } from "./unary/lane.ts";
import { recordUnary, type UnaryMethod } from "./unary/method.ts";
import { gather, inOne, inPieces, type RequestBody, UniversalCall } from "./universal-call.ts";

/** What gRPC adds to a message. */
const ENVELOPE_BYTES = 5;
/** The most that Connect's options can say. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;

/** Registers services with a router: what Connect's own adapters take. */
export type Routes = (router: ConnectRouter) => void;

export interface HandlersOptions {
  readonly routes: Routes;
  /** Connect's interceptors, the first of them outermost. */
  readonly interceptors: readonly Interceptor[];
  /** True if calls of the service pass by the interceptors. */
  readonly isUnintercepted: (service: DescService) => boolean;
  /** Bytes of a caller's message, before and after decompression, unless a service's registration says otherwise. */
  readonly messageBytes: number;
  /** Handlers that may run. */
  readonly callsInFlight: number;
  readonly compression: CompressionLimits;
  /** Whether a service is served whatever runs, and not counted. */
  readonly isExempt: (service: DescService) => boolean;
  /** ms that a unary call may take, whatever its caller says. */
  readonly deadlineMs: number;
  /** Whether valid unary calls take the lane. */
  readonly lane: boolean;
  /** Takes an entry, of one or more lines, on each exception that was not meant for the caller, by its procedure. */
  readonly log: SparseLog;
  readonly onLimit: OnLimit;
  /** Tells handlers when it aborts, with its reason, and ends streams. */
  readonly shutdownSignal: AbortSignal;
  /** Ends every call when it aborts, with its reason. */
  readonly cutSignal: AbortSignal;
}

export interface Handlers {
  readonly handler: Handler;
  /** The registered services, in their order. */
  readonly services: readonly DescService[];
}

/** Makes one handler of all registered procedures, for every protocol. */
export function createHandlers(options: HandlersOptions): Handlers {
  const { routes, isExempt, deadlineMs, lane, log, onLimit, shutdownSignal, cutSignal } = options;
  const interceptors = options.interceptors.map((interceptor) => unless(options.isUnintercepted, interceptor));
  const inFlight = new Budget(options.callsInFlight);
  const readMaxBytes = Math.min(options.messageBytes, MAX_MESSAGE_BYTES);
  const callErrors = createCallErrors(log, onLimit, cutSignal);
  const overload = createOverload(inFlight, isExempt, onLimit);
  // A unary request is taken whole, where its message may be: Connect's handlers are slow with many pieces.
  const gatheredBytes = readMaxBytes + ENVELOPE_BYTES;
  const compressions = createCompressions(options.compression, onLimit);
  const calls = new WeakMap<ContextValues, UniversalCall>();
  const router = createConnectRouter({
    acceptCompression: compressions.accepted,
    requestGate(context) {
      callErrors.requestGate(context);
      overload.requestGate(context);
      const call = calls.get(context.values);
      // A stream waits for messages no longer than its caller's deadline.
      if (context.method.methodKind !== "unary") call?.endWith(context.signal);
      else call?.hideLength(context.requestHeader, readMaxBytes);
    },
    interceptors: [callErrors.interceptor, overload.interceptor, held, ...interceptors],
    readMaxBytes,
    shutdownSignal,
  });
  const methods = new Map<string, UnaryMethod>();
  routes(lane ? recordUnary(router, readMaxBytes, methods) : router);
  const waiting = new Deadlines<UniversalCall>((late) => late.end(deadlineExceeded()));
  cutSignal.addEventListener("abort", () => {
    for (const each of waiting.takeAll()) each.end(cutSignal.reason);
  });
  const procedures = new Map(router.handlers.map((procedure) => [procedure.requestPath, procedure]));
  const services = [...new Set(router.handlers.map((procedure) => procedure.service))];

  function handle(exchange: Exchange): void {
    const { method } = exchange.request;
    const procedure = procedureOf(exchange);
    if (procedure === undefined) respondUnknown(exchange, services);
    else if (method === "OPTIONS") respondOptions(exchange, procedure.allowedMethods);
    else if (!procedure.allowedMethods.includes(method)) respondMethodNotAllowed(exchange, procedure.allowedMethods);
    else if (procedure.method.methodKind === "unary")
      call(exchange, async (each) => {
        const whole = await gather(each, gatheredBytes);
        return whole === undefined ? piecesOf(each) : inOne(whole);
      });
    else call(exchange, piecesOf);
  }

  function handleWhole(body: Uint8Array, exchange: Exchange): void {
    call(exchange, (each) => {
      each.hold(body.length);
      return inOne(body);
    });
  }

  function handleInPieces(exchange: Exchange): void {
    call(exchange, piecesOf);
  }

  /** A body in envelopes is read in whole ones, which the call holds. Any other is refused with its first piece. */
  function piecesOf(each: UniversalCall): AsyncIterable<Uint8Array> {
    const { exchange, signal } = each;
    const pieces = inPieces(exchange.body, signal);
    return isUnaryOfConnect(exchange) ? pieces : wholeEnvelopes(pieces, readMaxBytes, each);
  }

  /** Holds what a unary handler was given until it has ended, which may be after its caller's deadline. */
  function held(next: Parameters<Interceptor>[0]): ReturnType<Interceptor> {
    return async (request) => {
      const each = request.stream ? undefined : calls.get(request.contextValues);
      each?.handling(true);
      try {
        return await next(request);
      } finally {
        each?.handling(false);
      }
    };
  }

  async function call(exchange: Exchange, body: (each: UniversalCall) => RequestBody): Promise<void> {
    const procedure = procedureOf(exchange) as UniversalHandler;
    const { methodKind } = procedure.method;
    const underWay = new UniversalCall(exchange, methodKind === "unary" ? deadlineMs : Number.POSITIVE_INFINITY, body);
    waiting.add(underWay);
    calls.set(underWay.values, underWay);
    try {
      await compressions.run(underWay, () => underWay.answer(procedure));
    } catch (error) {
      cannotAnswer(exchange, error);
      underWay.end(error);
    } finally {
      waiting.remove(underWay);
      underWay.answered();
      overload.ended(underWay.values);
    }
  }

  function cannotAnswer(exchange: Exchange, error: unknown): void {
    const { requestPath } = procedureOf(exchange) as UniversalHandler;
    log(requestPath, `answer ${requestPath}: ${errorText(error)}`);
    exchange.reset("internal");
  }

  function procedureOf({ request }: Exchange): UniversalHandler | undefined {
    return procedures.get(request.path.split("?", 1)[0] as string);
  }

  const connect = { handle, handleWhole, handleInPieces };
  const { toConnectError } = callErrors;
  const handler = lane
    ? createLane({
        methods,
        compressions: compressions.accepted,
        interceptors,
        shutdownSignal,
        cutSignal,
        gatheredBytes,
        inFlight,
        isExempt,
        deadlineMs,
        connect,
        toConnectError,
        cannotAnswer,
      })
    : handle;
  return { services, handler };
}

/** True if the body is a message without envelopes. */
function isUnaryOfConnect({ request }: Exchange): boolean {
  return /^application\/(proto|json)\b/i.test(fieldValue(request.fields, "content-type") ?? "");
}

/** Runs the interceptor only for calls of services for which `skips` returns false. */
function unless(skips: (service: DescService) => boolean, interceptor: Interceptor): Interceptor {
  return (next) => (request) => (skips(request.service) ? next(request) : interceptor(next)(request));
}
