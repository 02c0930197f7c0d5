/** The unary methods that the fast path can run: their implementations, codecs and options. */
import type { DescMessage, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { createMethodSerializationLookup, type MethodSerializationLookup } from "@connectrpc/connect/protocol";
import type { ContextValuesOf, ProcedureOptions } from "../options.ts";
import type { Procedure } from "../registrations.ts";

export interface UnaryMethod extends ProcedureOptions {
  readonly desc: DescMethodUnary;
  readonly impl: (request: Message, context: HandlerContext) => object | Promise<object>;
  /** True if clients may call the method by GET. */
  readonly hasNoSideEffects: boolean;
  readonly serialization: MethodSerializationLookup<DescMessage, DescMessage>;
  /** As in `Procedure`. */
  readonly contextValues: ContextValuesOf | undefined;
  /** The names of the protocols that serve the method. */
  readonly protocolNames: readonly string[];
}

/** Encodes JSON text at an eighth of the cost of TextEncoder, which Connect uses by default. */
const TEXT_ENCODER = { encode: (text: string) => Buffer.from(text) };

/** Returns the unary methods among the procedures, by path. */
export function unaryMethods(procedures: ReadonlyMap<string, Procedure>): Map<string, UnaryMethod> {
  const methods = new Map<string, UnaryMethod>();
  for (const [path, procedure] of procedures) {
    const method = unaryMethod(procedure);
    if (method !== undefined) methods.set(path, method);
  }
  return methods;
}

function unaryMethod({ spec, options, handler, contextValues }: Procedure): UnaryMethod | undefined {
  if (spec.kind !== "unary") return undefined;
  const { method: desc, impl } = spec;
  const jsonOptions = { textEncoder: TEXT_ENCODER, ...options.jsonOptions };
  return {
    ...options,
    desc,
    impl: impl as UnaryMethod["impl"],
    hasNoSideEffects: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    serialization: createMethodSerializationLookup(desc, options.binaryOptions, jsonOptions, options),
    contextValues,
    protocolNames: handler.protocolNames,
  };
}
