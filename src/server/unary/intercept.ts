/** A handler's function behind Connect's interceptors, with the request and response objects that they get from Connect. */
import { create, type Message } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { UnaryCall } from "./call.ts";

type UnaryFn = (request: UnaryRequest) => Promise<UnaryResponse>;

/** Calls the handler through the interceptors, the first of them outermost. */
export async function intercept(
  call: UnaryCall,
  message: Message,
  interceptors: readonly Interceptor[],
): Promise<Message> {
  const { desc, impl } = call.plan.method;
  const request = requestOf(call, message);
  let response: UnaryResponse | undefined;
  let next: UnaryFn = async (given) => {
    const output = await impl(given.message, given === request ? call : contextOf(call, given));
    response = responseOf(call, create(desc.output, output as never));
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

// A signal and the response's headers are made when they are asked for: in own getters, so that a copy has them too.

function requestOf(call: UnaryCall, message: Message): UnaryRequest {
  return {
    stream: false,
    service: call.service,
    method: call.plan.method.desc,
    requestMethod: call.requestMethod,
    url: call.url,
    header: call.requestHeader,
    contextValues: call.values,
    message,
    get signal() {
      return call.signal;
    },
  };
}

function responseOf(call: UnaryCall, message: Message): UnaryResponse {
  return {
    stream: false,
    service: call.service,
    method: call.plan.method.desc,
    message,
    get header() {
      return call.responseHeader;
    },
    get trailer() {
      return call.responseTrailer;
    },
  };
}

/** The call's context, with what an interceptor put in the request in place of the call's own. */
function contextOf(call: UnaryCall, { service, header, signal, contextValues }: UnaryRequest): HandlerContext {
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

function replace(target: Headers, source: Headers): void {
  if (source === target) return;
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.set(name, value);
}
