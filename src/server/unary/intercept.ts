/** A handler's function behind Connect's interceptors, with the request and response objects that they get from Connect. */
import { create, type Message } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { UnaryCall } from "./call.ts";

/** Calls the handler through the interceptors, the first of them outermost. */
export async function intercept(
  call: UnaryCall,
  message: Message,
  interceptors: readonly Interceptor[],
): Promise<Message> {
  const { method } = call.plan;
  const innermost = async (request: UnaryRequest): Promise<UnaryResponse> => ({
    stream: false,
    service: method.desc.parent,
    method: method.desc,
    header: call.responseHeader,
    trailer: call.responseTrailer,
    message: create(method.desc.output, (await method.impl(request.message, contextOf(call, request))) as never),
  });
  let next = innermost as (request: UnaryRequest) => Promise<UnaryResponse>;
  for (const interceptor of interceptors.toReversed()) next = interceptor(next as never) as typeof next;
  const response = await next({
    stream: false,
    service: method.desc.parent,
    method: method.desc,
    requestMethod: call.requestMethod,
    message,
    // Made where an interceptor asks; and where one copies the object, as it would be anyway.
    get url() {
      return call.url;
    },
    get signal() {
      return call.signal;
    },
    get header() {
      return call.requestHeader;
    },
    get contextValues() {
      return call.values;
    },
  });
  replace(call.responseHeader, response.header);
  replace(call.responseTrailer, response.trailer);
  return response.message;
}

/** The call's context, with what an interceptor put in the request in place of the call's own. */
function contextOf(call: UnaryCall, request: UnaryRequest): HandlerContext {
  return {
    service: request.service,
    method: call.method,
    protocolName: call.protocolName,
    requestMethod: call.requestMethod,
    timeoutMs: call.timeoutMs,
    responseHeader: call.responseHeader,
    responseTrailer: call.responseTrailer,
    get url() {
      return call.url;
    },
    get requestHeader() {
      return request.header;
    },
    get signal() {
      return request.signal;
    },
    get values() {
      return request.contextValues;
    },
  };
}

function replace(target: Headers, source: Headers): void {
  if (source === target) return;
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.set(name, value);
}
