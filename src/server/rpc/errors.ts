/** What Connect's handlers make of an error, put right where they allow it: the caller's mistakes and the handler's secrets. */

import { base64Decode } from "@bufbuild/protobuf/wire";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  type ContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { OnLimit } from "../limits/limits.ts";
import { errorText } from "../log/entry.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import { renameLimit } from "./message-errors.ts";

type RequestGate = NonNullable<ConnectRouterOptions["requestGate"]>;

/** What the log says of a call: nothing that its caller sent but the procedure's name. */
export interface LoggedCall {
  readonly method: { readonly name: string; readonly parent: { readonly typeName: string } };
  readonly protocolName: string | undefined;
}

export interface CallErrors {
  /** The hooks among the options of Connect's router through which it is done. */
  readonly requestGate: (context: HandlerContext) => void;
  readonly interceptor: Interceptor;
  /** Makes the gate of a registration end with its call, and its errors those of a handler. */
  readonly guardGate: (gate: RequestGate) => RequestGate;
  /** What the caller is told of what a handler threw in a call. endReason is why the call had ended before, if it had. */
  toConnectError(error: unknown, call: LoggedCall, endReason: unknown): ConnectError;
}

/**
 * - A message that cannot be decoded is `invalid_argument`, where Connect says `internal`.
 * - An exception that is no ConnectError is Connect's fixed text "internal error" to the caller, and an entry with
 *   procedure, protocol and stack in the log, one for each procedure and second at most.
 */
export function createCallErrors(log: ThrottledLog, onLimit: OnLimit, cutSignal: AbortSignal): CallErrors {
  /** What came out of handlers: there, a code is the handler's word. */
  const fromHandlers = new WeakSet<Error>();

  /** The protocol of each call, by what its context and its interceptors have in common. */
  const protocols = new WeakMap<ContextValues, string>();

  function fromHandler(error: unknown, { method, protocolName }: LoggedCall, endReason: unknown): unknown {
    if (error instanceof ConnectError) fromHandlers.add(error);
    // Where the call had ended before, the exception only says so.
    else if (endReason instanceof ConnectError) return endReason;
    else {
      const procedure = `/${method.parent.typeName}/${method.name}`;
      log(procedure, `handle ${procedure} by ${protocolName}: ${errorText(error)}`);
    }
    return error;
  }

  /** Puts the error of a message right, which no handler made. */
  function fromMessage(error: unknown, { method }: Pick<HandlerContext, "method">): unknown {
    if (!(error instanceof ConnectError)) return error;
    blameCaller(error);
    const limit = renameLimit(error);
    if (limit !== undefined) onLimit(limit, `call /${method.parent.typeName}/${method.name}: ${error.rawMessage}`);
    return error;
  }

  return {
    toConnectError(error, call, endReason) {
      const told = fromHandler(error, call, endReason);
      if (told instanceof ConnectError) return wellFormed(told);
      return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
    },
    requestGate(context) {
      protocols.set(context.values, context.protocolName);
      if (context.requestMethod === "GET") checkMessage(new URL(context.url).searchParams);
      // A unary message is decoded before any interceptor runs. Its error aborts the call's signal before it is written.
      context.signal.addEventListener("abort", () => {
        const error: unknown = context.signal.reason;
        if (!(error instanceof ConnectError)) return;
        if (!fromHandlers.has(error)) fromMessage(error, context);
        wellFormed(error);
      });
    },
    guardGate: (gate) => async (context) => {
      const { signal } = context;
      try {
        await untilEnd(Promise.resolve(gate(context)), signal, cutSignal);
      } catch (error) {
        throw fromHandler(error, context, signal.aborted ? signal.reason : undefined);
      }
    },
    interceptor: (next) => async (request) => {
      const { method, signal, contextValues } = request;
      const call: LoggedCall = { method, protocolName: protocols.get(contextValues) };
      const fromCaller = (error: unknown): unknown => fromMessage(error, request);
      const fromThis = (error: unknown): unknown =>
        fromHandler(error, call, signal.aborted ? signal.reason : undefined);
      try {
        if (!request.stream) return await untilEnd(next(request), signal, cutSignal);
        const response = await next({ ...request, message: mapError(request.message, fromCaller) });
        return response.stream ? { ...response, message: mapError(response.message, fromThis) } : response;
      } catch (error) {
        throw fromThis(error);
      }
    },
  };
}

/** gRPC percent-encodes messages, which half a surrogate pair would make impossible. */
function wellFormed(error: ConnectError): ConnectError {
  return Object.assign(error, { rawMessage: error.rawMessage.toWellFormed() });
}

/** Turns the error of Connect's binary codec into the caller's, and leaves every other as it is. */
function blameCaller(error: ConnectError): void {
  if (error.code === Code.Internal && error.rawMessage.startsWith("parse binary: ")) {
    Object.assign(error, { code: Code.InvalidArgument });
  }
}

/** Throws where the query of a GET has no message, or one that is not the base64 it says it is. */
function checkMessage(query: URLSearchParams): void {
  const message = query.get("message");
  if (message === null) throw invalidArgument("read the query: there is no message parameter");
  // Bytes that are no UTF-8 do not survive a query's decoding: what they were is not known any more.
  if (query.get("base64") !== "1" && message.includes("\ufffd")) {
    throw invalidArgument("read the query: a message that is no UTF-8 text needs base64=1");
  }
  try {
    if (query.get("base64") === "1") base64Decode(message);
  } catch (cause) {
    throw invalidArgument("decode the message parameter: invalid base64", cause);
  }
}

function invalidArgument(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}

/** The result, or the end of the deadline or the cut where that comes first: they bind, whatever a handler does. */
function untilEnd<T>(result: Promise<T>, signal: AbortSignal, cutSignal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => {
    if (signal.reason instanceof ConnectError && signal.reason.code === Code.DeadlineExceeded) reject(signal.reason);
  };
  const onCut = (): void => reject(cutSignal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  cutSignal.addEventListener("abort", onCut);
  result.then(resolve, reject).finally(() => {
    signal.removeEventListener("abort", onAbort);
    cutSignal.removeEventListener("abort", onCut);
  });
  return promise;
}

async function* mapError<T>(values: AsyncIterable<T>, map: (error: unknown) => unknown): AsyncIterable<T> {
  try {
    yield* values;
  } catch (error) {
    throw map(error);
  }
}
