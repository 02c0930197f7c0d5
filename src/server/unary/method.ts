/** The unary methods that a routes function registers: their functions and codecs, beside what Connect makes of them. */
import type { DescMessage, DescMethod, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createMethodImplSpec,
  createServiceImplSpec,
  type HandlerContext,
  type MethodImplSpec,
} from "@connectrpc/connect";
import {
  createMethodSerializationLookup,
  createMethodUrl,
  type MethodSerializationLookup,
  validateReadWriteMaxBytes,
} from "@connectrpc/connect/protocol";

export interface UnaryMethod {
  readonly desc: DescMethodUnary;
  readonly impl: (request: Message, context: HandlerContext) => object | Promise<object>;
  /** Whether it may be called by GET. */
  readonly hasNoSideEffects: boolean;
  readonly serialization: MethodSerializationLookup<DescMessage, DescMessage>;
  readonly jsonOptions: ConnectRouterOptions["jsonOptions"];
}

/** The options of a registration that a method keeps here. With any other, it is Connect's alone. */
const KEPT_OPTIONS = new Set(["jsonOptions", "binaryOptions", "readMaxBytes", "writeMaxBytes"]);

/**
 * A router that registers with the given one, and each unary method also in the map, by its path. readMaxBytes is the
 * given router's own.
 */
export function recordUnary(
  router: ConnectRouter,
  readMaxBytes: number,
  methods: Map<string, UnaryMethod>,
): ConnectRouter {
  function record(spec: MethodImplSpec, options: Partial<ConnectRouterOptions> = {}): void {
    const path = createMethodUrl("/", spec.method);
    methods.delete(path);
    if (spec.kind !== "unary" || !Object.keys(options).every((key) => KEPT_OPTIONS.has(key))) return;
    const limits = validateReadWriteMaxBytes(options.readMaxBytes ?? readMaxBytes, options.writeMaxBytes, undefined);
    methods.set(path, {
      desc: spec.method,
      impl: spec.impl as UnaryMethod["impl"],
      hasNoSideEffects: isIdempotent(spec.method),
      serialization: createMethodSerializationLookup(spec.method, options.binaryOptions, options.jsonOptions, limits),
      jsonOptions: options.jsonOptions,
    });
  }
  const recording: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, options);
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) record(spec, options);
      return recording;
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, options);
      record(createMethodImplSpec(method, implementation), options);
      return recording;
    },
  };
  return recording;
}

function isIdempotent({ idempotency }: DescMethod): boolean {
  return idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}
