/**
 * Corrects the errors of Connect's handlers:
 * - If a message cannot be decoded, the code is `invalid_argument` instead of Connect's `internal`.
 * - If a message exceeds a limit, the server's text replaces Connect's, and the limit is reported.
 * - An exception that is not a ConnectError is logged with its stack, at most once per procedure and second. The client
 *   gets Connect's text "internal error".
 */
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type ContextValues, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { OnLimit } from "../limits/limits.ts";
import { errorText } from "../log/entry.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import { endsRunningCall, rewordLimitError } from "./call-errors.ts";
import type { RequestGate } from "./options.ts";

/** The parts of a call that the log names: its procedure and its protocol. */
export interface LoggedCall {
  readonly method: { readonly name: string; readonly parent: { readonly typeName: string } };
  readonly protocolName: string | undefined;
}

/** Maps errors. Its hooks, a request gate and an interceptor, are options of Connect's router. */
export class ErrorMapper {
  readonly #log: ThrottledLog;
  readonly #onLimit: OnLimit;
  readonly #cutSignal: AbortSignal;
  /** Errors that handlers and request gates threw. Their codes are never changed. */
  readonly #handlerErrors = new WeakSet<Error>();
  /** The protocol of each call. Connect does not pass the protocol to interceptors. */
  readonly #protocols = new WeakMap<ContextValues, string>();

  /** `cutSignal` is `RpcOptions.cutSignal`. */
  constructor(log: ThrottledLog, onLimit: OnLimit, cutSignal: AbortSignal) {
    this.#log = log;
    this.#onLimit = onLimit;
    this.#cutSignal = cutSignal;
  }

  /**
   * Returns the error for the client after a handler threw `error`. Returns `error` if it is a ConnectError, or else
   * `abortReason` if that is a ConnectError. Otherwise logs `error` and returns the error "internal error".
   * `abortReason` is the reason of the call's signal, or undefined if the signal is not aborted.
   */
  toConnectError(error: unknown, call: LoggedCall, abortReason: unknown): ConnectError {
    const mapped = this.#fromHandler(error, call, abortReason);
    if (mapped instanceof ConnectError) return toWellFormed(mapped);
    return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  }

  requestGate(context: HandlerContext): void {
    this.#protocols.set(context.values, context.protocolName);
    if (context.requestMethod === "GET") checkMessage(new URL(context.url).searchParams);
    // Connect decodes a unary message before interceptors run. If that fails, Connect aborts the signal with the
    // error, and sends the error after that. So a listener can still change the error.
    context.signal.addEventListener("abort", () => {
      const error: unknown = context.signal.reason;
      if (!(error instanceof ConnectError)) return;
      if (!this.#handlerErrors.has(error)) this.fromRequest(error, context);
      toWellFormed(error);
    });
  }

  /**
   * Returns a gate that runs `gate` and maps its errors like those of a handler. The new gate also rejects if the
   * deadline passes or `cutSignal` aborts before `gate` has passed.
   */
  guardGate(gate: RequestGate): RequestGate {
    return async (context) => {
      const { signal } = context;
      try {
        await this.#untilEnd(Promise.resolve(gate(context)), signal);
      } catch (error) {
        throw this.#fromHandler(error, context, reasonOf(signal));
      }
    };
  }

  readonly interceptor: Interceptor = (next) => async (request) => {
    const { method, signal, contextValues } = request;
    const call: LoggedCall = { method, protocolName: this.#protocols.get(contextValues) };
    const fromRequest = (error: unknown): unknown => this.fromRequest(error, request);
    const fromHandler = (error: unknown): unknown => this.#fromHandler(error, call, reasonOf(signal));
    try {
      if (!request.stream) return await this.#untilEnd(next(request), signal);
      const response = await next({ ...request, message: mapErrors(request.message, fromRequest) });
      return response.stream ? { ...response, message: mapErrors(response.message, fromHandler) } : response;
    } catch (error) {
      throw fromHandler(error);
    }
  };

  /**
   * Returns the error to use in place of `error`, which a handler threw. Logs `error` if it is not a ConnectError. If
   * an abort caused such an exception, returns `abortReason` and logs nothing.
   */
  #fromHandler(error: unknown, { method, protocolName }: LoggedCall, abortReason: unknown): unknown {
    if (error instanceof ConnectError) this.#handlerErrors.add(error);
    else if (abortReason instanceof ConnectError) return abortReason;
    else {
      const procedure = `/${method.parent.typeName}/${method.name}`;
      const message = `handle ${procedure} by ${protocolName}: ${errorText(error)}`;
      this.#log(procedure, { level: "error", event: "handler_error", message, procedure, protocol: protocolName });
    }
    return error;
  }

  /**
   * Corrects an error that did not come from the handler: the code of a decoding failure, or the text of a size limit.
   * Reports the limit that was exceeded. Returns `error`.
   */
  fromRequest(error: unknown, { method }: Pick<HandlerContext, "method">): unknown {
    if (!(error instanceof ConnectError)) return error;
    toInvalidArgument(error);
    const limit = rewordLimitError(error);
    if (limit !== undefined) {
      this.#onLimit(limit, `call /${method.parent.typeName}/${method.name}: ${error.rawMessage}`);
    }
    return error;
  }

  /** Settles like `result`. If the call is late or cut before that, rejects although the handler still runs. */
  #untilEnd<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
    const cutSignal = this.#cutSignal;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const onAbort = (): void => {
      if (endsRunningCall(signal.reason)) reject(signal.reason);
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
}

function reasonOf(signal: AbortSignal): unknown {
  return signal.aborted ? signal.reason : undefined;
}

/** Replaces lone surrogates in the text of an error, because gRPC cannot percent-encode them. */
function toWellFormed(error: ConnectError): ConnectError {
  return Object.assign(error, { rawMessage: error.rawMessage.toWellFormed() });
}

/**
 * Changes the code of a decoding error of Connect's binary codec to `invalid_argument`, because the client caused the
 * error.
 */
function toInvalidArgument(error: ConnectError): void {
  if (error.code === Code.Internal && error.rawMessage.startsWith("parse binary: ")) {
    Object.assign(error, { code: Code.InvalidArgument });
  }
}

/** Throws `invalid_argument` if the message in the query of a GET is missing or wrongly encoded. */
function checkMessage(query: URLSearchParams): void {
  const message = query.get("message");
  if (message === null) throw invalidArgument("read the query: the message parameter is missing");
  // URLSearchParams has replaced bytes that are not UTF-8 by U+FFFD, so that the message is lost.
  if (query.get("base64") !== "1" && message.includes("\ufffd")) {
    throw invalidArgument("read the query: a message that is not UTF-8 text needs base64=1");
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

export async function* mapErrors<T>(values: AsyncIterable<T>, map: (error: unknown) => unknown): AsyncIterable<T> {
  try {
    yield* values;
  } catch (error) {
    throw map(error);
  }
}
