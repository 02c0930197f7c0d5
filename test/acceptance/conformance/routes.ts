/** Implements the service that the official conformance suite calls (connectrpc.conformance.v1.ConformanceService). */
import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type FileRegistry, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";

const PACKAGE = "connectrpc.conformance.v1";

// The used fields of the suite's messages. Their descriptors come from the suite's module, without generated code.
interface Header {
  name: string;
  value: string[];
}
interface Failure {
  code: number;
  message?: string;
  details: Any[];
}
interface Definition {
  responseHeaders: Header[];
  responseTrailers: Header[];
  responseDelayMs: number;
}
interface UnaryDefinition extends Definition {
  response: { case: "responseData"; value: Uint8Array } | { case: "error"; value: Failure } | { case: undefined };
}
interface StreamDefinition extends Definition {
  responseData: Uint8Array[];
  error?: Failure;
}
type UnaryRequest = Message & { responseDefinition?: UnaryDefinition };
type StreamRequest = Message & { responseDefinition?: StreamDefinition; fullDuplex?: boolean };

/** Registers the service of these descriptors. Messages may have `receiveLimit` bytes. */
export function conformanceRoutes(registry: FileRegistry, receiveLimit: number) {
  const service = registry.getService(`${PACKAGE}.ConformanceService`);
  const requestInfoDesc = registry.getMessage(`${PACKAGE}.ConformancePayload.RequestInfo`) as DescMessage;
  if (service === undefined) throw new Error("serve the conformance suite: its descriptors have no ConformanceService");

  function requestInfo(context: HandlerContext, requests: readonly Message[]) {
    const timeoutMs = context.timeoutMs();
    const query = [...new URL(context.url).searchParams].map(([name, value]) => ({ name, value: [value] }));
    return {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      requests: requests.map((request) => anyPack(registry.getMessage(request.$typeName) as DescMessage, request)),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.ceil(timeoutMs)) }),
      ...(context.requestMethod === "GET" && { connectGetInfo: { queryParams: query } }),
    };
  }

  function failure({ code, message, details }: Failure, info?: object): ConnectError {
    const error = new ConnectError(message ?? "", code);
    error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
    if (info !== undefined)
      error.details.push({ desc: requestInfoDesc, value: create(requestInfoDesc, info as never) as never });
    return error;
  }

  async function unary(requests: readonly UnaryRequest[], context: HandlerContext) {
    const definition = requests[0]?.responseDefinition;
    const info = requestInfo(context, requests);
    setMetadata(context, definition);
    await delay(definition);
    const { response } = definition ?? {};
    if (response?.case === "error") throw failure(response.value, info);
    return { payload: { requestInfo: info, ...(response?.case === "responseData" && { data: response.value }) } };
  }

  async function* stream(requests: AsyncIterable<StreamRequest>, context: HandlerContext) {
    let definition: StreamDefinition | undefined;
    let fullDuplex = false;
    let pending: StreamRequest[] = [];
    let sent = 0;
    for await (const request of requests) {
      if (definition === undefined) {
        definition = request.responseDefinition;
        fullDuplex = request.fullDuplex ?? false;
        setMetadata(context, definition);
      }
      pending.push(request);
      if (!fullDuplex) continue;
      const data = definition?.responseData[sent];
      if (data === undefined) break;
      await delay(definition);
      const info = sent === 0 ? requestInfo(context, pending) : { requests: requestInfo(context, pending).requests };
      yield { payload: { data, requestInfo: info } };
      sent++;
      pending = [];
    }
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await delay(definition);
      yield { payload: { data, ...(sent === 0 && { requestInfo: requestInfo(context, pending) }) } };
      sent++;
    }
    if (definition?.error !== undefined)
      throw failure(definition.error, sent === 0 ? requestInfo(context, pending) : undefined);
  }

  const implementation = {
    unary: (request: UnaryRequest, context: HandlerContext) => unary([request], context),
    idempotentUnary: (request: UnaryRequest, context: HandlerContext) => unary([request], context),
    clientStream: async (requests: AsyncIterable<UnaryRequest>, context: HandlerContext) =>
      unary(await Array.fromAsync(requests), context),
    serverStream: (request: StreamRequest, context: HandlerContext) => stream(only(request), context),
    bidiStream: stream,
  };
  return (router: ConnectRouter): void => {
    router.service(service, implementation as never, { jsonOptions: { registry }, readMaxBytes: receiveLimit });
  };
}

async function* only<T>(value: T): AsyncIterable<T> {
  yield value;
}

function setMetadata(context: HandlerContext, definition: Definition | undefined): void {
  for (const { name, value } of definition?.responseHeaders ?? [])
    for (const each of value) context.responseHeader.append(name, each);
  for (const { name, value } of definition?.responseTrailers ?? [])
    for (const each of value) context.responseTrailer.append(name, each);
}

async function delay(definition: Definition | undefined): Promise<void> {
  if (definition !== undefined && definition.responseDelayMs > 0) await sleep(definition.responseDelayMs);
}
