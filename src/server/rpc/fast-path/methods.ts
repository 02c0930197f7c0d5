/** A unary method that the fast path can run: its function, its codecs and its options. */
import type { DescMessage, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, MethodImplSpec } from "@connectrpc/connect";
import {
  createMethodSerializationLookup,
  type MethodSerializationLookup,
  type UniversalHandlerOptions,
} from "@connectrpc/connect/protocol";

/** Runs before the body of a request is read, and throws to refuse it. */
export type RequestGate = NonNullable<UniversalHandlerOptions["requestGate"]>;

/** Connect's options of a procedure, complete. */
export interface ProcedureOptions extends UniversalHandlerOptions {
  /** Bytes of a unary request that are buffered before Connect's handlers read it: a message and its envelope. */
  readonly bodyMaxBytes: number;
  readonly shutdownSignal: AbortSignal;
}

export interface UnaryMethod extends ProcedureOptions {
  readonly desc: DescMethodUnary;
  readonly impl: (request: Message, context: HandlerContext) => object | Promise<object>;
  /** True if it may be called by GET. */
  readonly hasNoSideEffects: boolean;
  readonly serialization: MethodSerializationLookup<DescMessage, DescMessage>;
  /** The protocols that it is served by. */
  readonly protocolNames: readonly string[];
}

/** Returns the method of a registration, or undefined if the fast path cannot run it. */
export function unaryMethod(
  spec: MethodImplSpec,
  options: ProcedureOptions,
  protocolNames: readonly string[],
): UnaryMethod | undefined {
  if (spec.kind !== "unary") return undefined;
  const { method: desc, impl } = spec;
  return {
    ...options,
    desc,
    impl: impl as UnaryMethod["impl"],
    hasNoSideEffects: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    serialization: createMethodSerializationLookup(desc, options.binaryOptions, options.jsonOptions, options),
    protocolNames,
  };
}
