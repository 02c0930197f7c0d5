/** Connect's universal handlers over an exchange. */
import type { DescService } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext, Interceptor } from "@connectrpc/connect";
import { type Exchange, fieldValue, type Handler, pathWithoutQuery } from "../http/exchange.ts";
import { respondMethodNotAllowed, respondOptions } from "../http/responses.ts";
import { Budget } from "../limits/budget.ts";
import { errorText } from "../log/entry.ts";
import { deadlineExceeded } from "./call-ends.ts";
import { createCompressions } from "./compression.ts";
import { createOverload } from "./concurrency-limit.ts";
import { Deadlines } from "./deadlines.ts";
import { wholeEnvelopes } from "./envelope-reader.ts";
import { createCallErrors } from "./errors.ts";
import type { UnaryCall } from "./fast-path/call.ts";
import { createFastPath } from "./fast-path/fast-path.ts";
import { type ProcedureOptions, type RequestGate, type UnaryMethod, unaryMethod } from "./fast-path/methods.ts";
import type { RpcOptions } from "./options.ts";
import { createRegistrations, type Procedure } from "./registrations.ts";
import { respondUnknown } from "./unimplemented.ts";
import { bufferBody, inOne, inPieces, type RequestBody, UniversalCall } from "./universal-call.ts";

/** The most that Connect's options can say. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;

export interface Handlers {
  readonly handler: Handler;
  /** The registered services, in their order. */
  readonly services: readonly DescService[];
}

/** Makes one handler of all registered procedures, for every protocol. */
export function createHandlers(options: RpcOptions): Handlers {
  const { routes, isExempt, deadlineMs, fastPath, log, onLimit, shutdownSignal, cutSignal } = options;
  const inFlight = new Budget(options.callsInFlight);
  const callErrors = createCallErrors(log, onLimit, cutSignal);
  const overload = createOverload(inFlight, isExempt, onLimit);
  const compressions = createCompressions(options.compression, onLimit);
  const calls = new WeakMap<ContextValues, UniversalCall>();
  /** Calls whose gate has run already, by their exchange. */
  const entered = new WeakMap<Exchange, UnaryCall>();
  const { router, procedures } = createRegistrations(
    {
      ...options.defaults,
      acceptCompression: options.defaults.acceptCompression ?? compressions.accepted,
      readMaxBytes: Math.min(options.messageBytes, MAX_MESSAGE_BYTES),
    },
    {
      requestGate(context) {
        callErrors.requestGate(context);
        throwIfOver(context);
        overload.requestGate(context);
      },
      guardGate: (gate) => unlessEntered(callErrors.guardGate(overload.countGate(gate))),
      beforeBody(context) {
        const each = callOf(context);
        // A stream waits for messages no longer than its caller's deadline.
        if (context.method.methodKind !== "unary") each.endWith(context.signal);
        else each.hideLength(context.requestHeader, optionsOf(each).readMaxBytes);
      },
      interceptors: [callErrors.interceptor, overload.interceptor, held],
      guardCompression: compressions.guard,
      shutdownSignal,
    },
  );
  routes(router);
  const waiting = new Deadlines<UniversalCall>((late) => late.end(deadlineExceeded()));
  cutSignal.addEventListener("abort", () => {
    for (const each of waiting.takeAll()) each.end(cutSignal.reason);
  });
  const services = [...new Set(router.handlers.map(({ service }) => service))];

  /** Throws if the call was over before it began. A shutdown signal of a registration only tells its handlers. */
  function throwIfOver(context: HandlerContext): void {
    const { aborted, reason } = context.signal;
    if (!aborted) return;
    if (shutdownSignal.aborted || reason !== optionsOf(callOf(context)).shutdownSignal.reason) throw reason;
  }

  /** Gives the response what the gate gave it that has run already, or runs it. */
  function unlessEntered(gate: RequestGate): RequestGate {
    return (context) => {
      const before = entered.get(callOf(context).exchange);
      if (before === undefined) return gate(context);
      replace(context.responseHeader, before.responseHeader);
      replace(context.responseTrailer, before.responseTrailer);
    };
  }

  function handle(exchange: Exchange): void {
    const { method } = exchange.request;
    const procedure = procedureOf(exchange);
    if (procedure === undefined) {
      respondUnknown(exchange, services);
      return;
    }
    const { handler, options } = procedure;
    if (method === "OPTIONS") respondOptions(exchange, handler.allowedMethods);
    else if (!handler.allowedMethods.includes(method)) respondMethodNotAllowed(exchange, handler.allowedMethods);
    // Connect's handlers are slow with a body in many pieces, so one that a message fits in is buffered.
    else if (handler.method.methodKind === "unary")
      call(exchange, async (each) => {
        const whole = await bufferBody(each, options.bodyMaxBytes);
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
    return isUnaryOfConnect(exchange) ? pieces : wholeEnvelopes(pieces, optionsOf(each).readMaxBytes, each);
  }

  /** Holds what a unary handler was given until it has ended, which may be after its caller's deadline. */
  function held(next: Parameters<Interceptor>[0]): ReturnType<Interceptor> {
    return async (request) => {
      const each = calls.get(request.contextValues) as UniversalCall;
      if (request.stream) return next({ ...request, message: each.weighed(request.message) });
      each.handling(true);
      try {
        each.holdWeight(request.message);
        return await next(request);
      } finally {
        each.handling(false);
      }
    };
  }

  async function call(exchange: Exchange, body: (each: UniversalCall) => RequestBody): Promise<void> {
    const { handler } = procedureOf(exchange) as Procedure;
    const { methodKind } = handler.method;
    const underWay = new UniversalCall(exchange, methodKind === "unary" ? deadlineMs : Number.POSITIVE_INFINITY, body);
    waiting.add(underWay);
    calls.set(underWay.values, underWay);
    try {
      await compressions.run(underWay, () => underWay.answer(handler));
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
    const { requestPath } = (procedureOf(exchange) as Procedure).handler;
    log(requestPath, `answer ${requestPath}: ${errorText(error)}`);
    exchange.reset("internal");
  }

  function procedureOf({ request }: Exchange): Procedure | undefined {
    return procedures.get(pathWithoutQuery(request.path));
  }

  function callOf({ values }: HandlerContext): UniversalCall {
    return calls.get(values) as UniversalCall;
  }

  function optionsOf({ exchange }: UniversalCall): ProcedureOptions {
    return (procedureOf(exchange) as Procedure).options;
  }

  const connect = {
    handle,
    handleWhole,
    handleInPieces,
    entered: (each: UnaryCall): void => void entered.set(each.exchange, each),
  };
  const { toConnectError } = callErrors;
  const handler = fastPath
    ? createFastPath({
        methods: unaryMethods(procedures),
        cutSignal,
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

function replace(target: Headers, source: Headers): void {
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.append(name, value);
}

function unaryMethods(procedures: ReadonlyMap<string, Procedure>): Map<string, UnaryMethod> {
  const methods = new Map<string, UnaryMethod>();
  for (const [path, { handler, spec, options }] of procedures) {
    const method = unaryMethod(spec, options, handler.protocolNames);
    if (method !== undefined) methods.set(path, method);
  }
  return methods;
}
