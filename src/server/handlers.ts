/** Connect's universal handlers over an exchange. */
import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { Budget } from "./budget.ts";
import { deadlineExceeded } from "./call-ends.ts";
import { blamingCaller, createCallErrors } from "./call-errors.ts";
import { wholeEnvelopes } from "./envelopes.ts";
import type { Exchange, Handler } from "./exchange.ts";
import type { OnLimit } from "./limits.ts";
import { errorText } from "./log-entry.ts";
import { createOverload } from "./overload.ts";
import { respondMethodNotAllowed, respondOptions, respondUnknown } from "./refusals.ts";
import type { SparseLog } from "./sparse-log.ts";
import { Deadlines } from "./unary/deadlines.ts";
import { createLane } from "./unary/lane.ts";
import { recordUnary, type UnaryMethod } from "./unary/method.ts";
import { gathering, inOne, inPieces, type RequestBody, UniversalCall } from "./universal-call.ts";

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
  /** Bytes of bodies that may be held for handlers. */
  readonly gathered: Budget;
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
  const { routes, gathered, isExempt, deadlineMs, lane, log, onLimit, shutdownSignal, cutSignal } = options;
  const interceptors = options.interceptors.map((interceptor) => unless(options.isUnintercepted, interceptor));
  const inFlight = new Budget(options.callsInFlight);
  const readMaxBytes = Math.min(options.messageBytes, MAX_MESSAGE_BYTES);
  const callErrors = createCallErrors(log, onLimit, cutSignal);
  const overload = createOverload(inFlight, isExempt, onLimit);
  // A unary request is taken whole, where its message may be: Connect's handlers are slow with many pieces.
  const gatheredBytes = readMaxBytes + ENVELOPE_BYTES;
  const compressions = [blamingCaller(compressionGzip), blamingCaller(compressionBrotli)];
  const streams = new WeakMap<ContextValues, UniversalCall>();
  const router = createConnectRouter({
    acceptCompression: compressions,
    requestGate(context) {
      callErrors.requestGate(context);
      overload.requestGate(context);
      // A stream waits for messages no longer than its caller's deadline.
      if (context.method.methodKind !== "unary") streams.get(context.values)?.endWith(context.signal);
    },
    interceptors: [callErrors.interceptor, overload.interceptor, ...interceptors],
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
      call(exchange, (gone) => gathering(exchange, gatheredBytes, gone));
    else stream(exchange);
  }

  /** What it holds of envelopes is given back at its end, whether they were read or not. */
  async function stream(exchange: Exchange): Promise<void> {
    const held = new Budget(Number.POSITIVE_INFINITY, gathered);
    await call(exchange, (gone) => wholeEnvelopes(inPieces(exchange.body, gone), readMaxBytes, held, noRoom));
    held.giveBack(held.taken);
  }

  function noRoom(): ConnectError {
    const message = `bodies exceed ${gathered.limit} bytes`;
    onLimit("gatheredBytes", message);
    return new ConnectError(message, Code.Unavailable);
  }

  function handleWhole(body: Uint8Array, exchange: Exchange): void {
    call(exchange, () => inOne(body));
  }

  function handleInPieces(exchange: Exchange): void {
    call(exchange, (gone) => inPieces(exchange.body, gone));
  }

  async function call(exchange: Exchange, body: RequestBody): Promise<void> {
    const procedure = procedureOf(exchange) as UniversalHandler;
    const { methodKind } = procedure.method;
    const underWay = new UniversalCall(exchange, methodKind === "unary" ? deadlineMs : Number.POSITIVE_INFINITY);
    waiting.add(underWay);
    if (methodKind !== "unary") streams.set(underWay.values, underWay);
    try {
      await underWay.answer(procedure, body);
    } catch (error) {
      cannotAnswer(exchange, error);
      underWay.end(error);
    } finally {
      waiting.remove(underWay);
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
        compressions,
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

/** Runs the interceptor only for calls of services for which `skips` returns false. */
function unless(skips: (service: DescService) => boolean, interceptor: Interceptor): Interceptor {
  return (next) => (request) => (skips(request.service) ? next(request) : interceptor(next)(request));
}
