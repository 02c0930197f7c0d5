/** Runs the handler of a stream through Connect's interceptors, with requests and responses like those that Connect passes. */
import { create, type DescMessage } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse } from "@connectrpc/connect";
import type { StreamCall } from "./call.ts";
import { contextOf, replace } from "./interceptors.ts";
import type { RequestMessages } from "./request-messages.ts";

type StreamFn = (request: StreamRequest) => Promise<StreamResponse>;

/**
 * Runs the handler through the interceptors, the first of them outermost. Resolves with the response. If an interceptor has
 * replaced the response, copies the new headers to the call. The trailers are copied after the messages.
 */
export async function interceptStream(
  call: StreamCall,
  messages: RequestMessages,
  interceptors: readonly Interceptor[],
): Promise<StreamResponse> {
  const { desc, impl } = call.negotiation.method;
  const { service, requestMethod, url, requestHeader, values } = call;
  const request: StreamRequest = {
    stream: true,
    service,
    method: desc,
    requestMethod,
    url,
    header: requestHeader,
    contextValues: values,
    signal: call.signal,
    message: messages,
  };
  let next: StreamFn = async (given) => ({
    stream: true,
    service,
    method: desc,
    header: call.responseHeader,
    trailer: call.responseTrailer,
    message: complete(
      desc.output,
      await impl(given.message, given === request ? call : contextOf(call, given)),
    ) as never,
  });
  for (let i = interceptors.length - 1; i >= 0; i--) next = (interceptors[i] as Interceptor)(next as never) as StreamFn;
  const response = await next(request);
  replace(call.responseHeader, response.header);
  return response;
}

/** Completes the messages of a handler, which may lack fields, before interceptors see them. */
function complete(desc: DescMessage, messages: AsyncIterable<object>): AsyncIterable<object> {
  const completed = (result: IteratorResult<object>): IteratorResult<object> =>
    result.done ? result : { done: false, value: create(desc, result.value as never) };
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () => iterator.next().then(completed),
        ...(iterator.throw && { throw: (error) => iterator.throw?.(error).then(completed) as never }),
        ...(iterator.return && { return: (value) => iterator.return?.(value).then(completed) as never }),
      };
    },
  };
}
