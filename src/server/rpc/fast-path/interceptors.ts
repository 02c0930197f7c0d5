/**
 * Runs a handler through Connect's interceptors, with request and response objects like those that Connect would pass.
 */
import { create, type Message } from "@bufbuild/protobuf";
import type {
  ContextValues,
  HandlerContext,
  Interceptor,
  StreamRequest,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import type { FastPathCall, UnaryCall } from "./call.ts";

/**
 * The property of a request or response object that holds its call. A private field could not be read through a proxy
 * of the object, nor from an inheriting object.
 */
const CALL = Symbol("call");

type UnaryFn = (request: UnaryRequest) => Promise<UnaryResponse>;

/**
 * Runs the handler through the interceptors, the first of them outermost. Resolves with the message of the response. If
 * an interceptor has replaced the response, copies the new headers and trailers to the call. Rejects with the error of
 * the handler or of an interceptor.
 */
export async function intercept(
  call: UnaryCall,
  message: Message,
  interceptors: readonly Interceptor[],
): Promise<Message> {
  const { desc, impl } = call.negotiation.method;
  const request = new InterceptedRequest(call, message);
  let response: UnaryResponse | undefined;
  let next: UnaryFn = async (given) => {
    const output = await impl(given.message, given === request ? call : contextOf(call, given));
    response = new InterceptedResponse(call, create(desc.output, output as never));
    return response;
  };
  for (let i = interceptors.length - 1; i >= 0; i--) next = (interceptors[i] as Interceptor)(next as never) as UnaryFn;
  const given = await next(request);
  if (given !== response) {
    replace(call.responseHeader, given.header);
    replace(call.responseTrailer, given.trailer);
  }
  return given.message;
}

// The signal, the response headers and the trailers are created when first read. They are own properties, so that a spread
// of the object copies them. All objects share the getters, because V8 would create a hidden class for each new getter.

class InterceptedRequest implements UnaryRequest {
  readonly stream = false;
  readonly service: UnaryRequest["service"];
  readonly method: UnaryRequest["method"];
  readonly requestMethod: string;
  readonly url: string;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  readonly message: Message;
  declare readonly signal: AbortSignal;
  readonly [CALL]: UnaryCall;

  constructor(call: UnaryCall, message: Message) {
    this.service = call.service;
    this.method = call.negotiation.method.desc;
    this.requestMethod = call.requestMethod;
    this.url = call.url;
    this.header = call.requestHeader;
    this.contextValues = call.values;
    this.message = message;
    this[CALL] = call;
    Object.defineProperty(this, "signal", InterceptedRequest.#signal);
  }

  static readonly #signal = lazily((request: InterceptedRequest) => request[CALL].signal);
}

class InterceptedResponse implements UnaryResponse {
  readonly stream = false;
  readonly service: UnaryResponse["service"];
  readonly method: UnaryResponse["method"];
  readonly message: Message;
  declare readonly header: Headers;
  declare readonly trailer: Headers;
  readonly [CALL]: UnaryCall;

  constructor(call: UnaryCall, message: Message) {
    this.service = call.service;
    this.method = call.negotiation.method.desc;
    this.message = message;
    this[CALL] = call;
    Object.defineProperty(this, "header", InterceptedResponse.#header);
    Object.defineProperty(this, "trailer", InterceptedResponse.#trailer);
  }

  static readonly #header = lazily((response: InterceptedResponse) => response[CALL].responseHeader);
  static readonly #trailer = lazily((response: InterceptedResponse) => response[CALL].responseTrailer);
}

function lazily<T, V>(get: (from: T) => V): PropertyDescriptor {
  return {
    enumerable: true,
    configurable: true,
    get(this: T) {
      return get(this);
    },
  };
}

/** Returns the context of a call whose request an interceptor has replaced. */
export function contextOf(
  call: FastPathCall,
  { service, header, signal, contextValues }: UnaryRequest | StreamRequest,
): HandlerContext {
  return {
    service,
    method: call.method,
    protocolName: call.protocolName,
    requestMethod: call.requestMethod,
    url: call.url,
    timeoutMs: call.timeoutMs,
    requestHeader: header,
    responseHeader: call.responseHeader,
    responseTrailer: call.responseTrailer,
    signal,
    values: contextValues,
  };
}

/**
 * Replaces the headers in `target` by those in `source`, as Connect does: deletion while iterating leaves every second name
 * that `source` does not have.
 */
export function replace(target: Headers, source: Headers): void {
  if (source === target) return;
  target.forEach((_, name) => {
    target.delete(name);
  });
  source.forEach((value, name) => {
    target.set(name, value);
  });
}
