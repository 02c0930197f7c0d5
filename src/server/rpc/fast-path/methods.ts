/** The methods that the fast path can run: their implementations, codecs and options. */
import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type Message,
  toJsonString,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type MethodImplSpec } from "@connectrpc/connect";
import {
  createMethodSerializationLookup,
  limitSerialization,
  type MethodSerializationLookup,
  type Serialization,
} from "@connectrpc/connect/protocol";
import type { ContextValuesOf, ProcedureOptions } from "../options.ts";
import type { Procedure } from "../registrations.ts";
import { createEncoder } from "./encoder.ts";

export interface Method extends ProcedureOptions {
  readonly desc: DescMethod;
  readonly serialization: MethodSerializationLookup<DescMessage, DescMessage>;
  /** As in `Procedure`. */
  readonly contextValues: ContextValuesOf | undefined;
  /** The names of the protocols that serve the method. */
  readonly protocolNames: readonly string[];
}

export interface UnaryMethod extends Method {
  readonly kind: "unary";
  readonly desc: DescMethodUnary;
  readonly impl: (request: Message, context: HandlerContext) => object | Promise<object>;
  /** True if clients may call the method by GET. */
  readonly hasNoSideEffects: boolean;
}

export interface StreamMethod extends Method {
  readonly kind: "stream";
  readonly desc: DescMethodStreaming;
  readonly impl: StreamImpl;
}

/** Runs a handler with the messages of a request. Returns the messages of the response. */
export type StreamImpl = (
  requests: AsyncIterable<Message>,
  context: HandlerContext,
) => AsyncIterable<object> | Promise<AsyncIterable<object>>;

/** Returns the methods of the procedures, by path. */
export function methodsOf(procedures: ReadonlyMap<string, Procedure>): Map<string, UnaryMethod | StreamMethod> {
  return new Map([...procedures].map(([path, procedure]) => [path, methodOf(procedure)]));
}

function methodOf({ spec, options, handler, contextValues }: Procedure): UnaryMethod | StreamMethod {
  const method = {
    ...options,
    serialization: serializationOf(spec.method, options),
    contextValues,
    protocolNames: handler.protocolNames,
  };
  if (spec.kind !== "unary") return { ...method, kind: "stream", desc: spec.method, impl: streamImpl(spec) };
  return {
    ...method,
    kind: "unary",
    desc: spec.method,
    impl: spec.impl as UnaryMethod["impl"],
    hasNoSideEffects: spec.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}

function serializationOf(desc: DescMethod, options: ProcedureOptions): Method["serialization"] {
  const { binaryOptions, jsonOptions } = options;
  const lookup = createMethodSerializationLookup(desc, binaryOptions, jsonOptions, options);
  const json = jsonOutput(desc.output, lookup.getO(false), options);
  const { parse, serialize } = lookup.getO(true);
  const binary =
    binaryOptions === undefined
      ? limitSerialization({ parse, serialize: createEncoder(desc.output, serialize) }, options)
      : lookup.getO(true);
  return { getI: lookup.getI, getO: (isBinary) => (isBinary ? binary : json) };
}

/** Encodes JSON text by Buffer, at an eighth of the cost of `serialize`, which is Connect's and uses TextEncoder. */
function jsonOutput(
  desc: DescMessage,
  { parse, serialize }: Serialization<Message>,
  options: ProcedureOptions,
): Serialization<Message> {
  function encode(message: Message): Uint8Array<ArrayBuffer> {
    try {
      return Buffer.from(toJsonString(desc, message, options.jsonOptions));
    } catch {
      return serialize(message); // throws Connect's error
    }
  }
  return limitSerialization({ parse, serialize: encode }, options);
}

function streamImpl(spec: Exclude<MethodImplSpec, { kind: "unary" }>): StreamImpl {
  const impl = spec.impl as (input: unknown, context: HandlerContext) => never;
  switch (spec.kind) {
    case "server_streaming":
      return async (requests, context) => impl(await onlyMessage(requests), context);
    case "client_streaming":
      return async (requests, context) => only(await impl(requests, context));
    case "bidi_streaming":
      return impl;
  }
}

async function* only(response: object): AsyncIterable<object> {
  yield response;
}

/** Resolves with the only request message of a server stream. Otherwise rejects with the errors of Connect's handlers. */
async function onlyMessage(requests: AsyncIterable<Message>): Promise<Message> {
  const messages = requests[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done) throw serverStreamError("missing input message");
  const second = await messages.next();
  if (!second.done) throw serverStreamError("received extra input message");
  return first.value;
}

function serverStreamError(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what} for server-streaming method`, Code.Unimplemented);
}
