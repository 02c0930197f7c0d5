/**
 * Registers procedures with Connect's router. Options of a registration replace the defaults, as they do in Connect, but
 * never the server's own gate, interceptors and shutdown signal.
 */
import type { DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
} from "@connectrpc/connect";
import {
  type Compression,
  createMethodUrl,
  type UniversalHandler,
  validateUniversalHandlerOptions,
} from "@connectrpc/connect/protocol";
import type { ProcedureOptions, RequestGate } from "./fast-path/methods.ts";

type Options = Partial<ConnectRouterOptions>;

/** The flag and length that gRPC puts before a message. */
const ENVELOPE_BYTES = 5;

/** The parts of the server that every call passes, whatever options its registration has. */
export interface Protections {
  /** Runs before the gate of a registration. */
  readonly requestGate: (context: HandlerContext) => void;
  /** Makes the gate of a registration end with its call, and its errors those of a handler. */
  readonly guardGate: (gate: RequestGate) => RequestGate;
  /** Runs after the gate of a registration, before the body is read. */
  readonly beforeBody: (context: HandlerContext) => void;
  /** Stand outside of every interceptor of a registration. The first is outermost. */
  readonly interceptors: readonly Interceptor[];
  /** Makes an algorithm of a registration safe to use on bytes of a caller. */
  readonly guardCompression: (compression: Compression) => Compression;
  readonly shutdownSignal: AbortSignal;
}

export interface Procedure {
  /** Connect's handler, with all protections. */
  readonly handler: UniversalHandler;
  readonly spec: MethodImplSpec;
  /** The options in force: the gate and interceptors are the registration's alone. */
  readonly options: ProcedureOptions;
}

export interface Registrations {
  /** The router to pass to a routes function. It throws an Error for a procedure that already has an implementation. */
  readonly router: ConnectRouter;
  /** The registered procedures by their path, in their order. */
  readonly procedures: ReadonlyMap<string, Procedure>;
}

/**
 * Creates a router without procedures. `defaults` are the options of registrations that name none of their own. An
 * option that a registration has as undefined is not set at all, as in Connect; but readMaxBytes is then that of `defaults`.
 */
export function createRegistrations(
  defaults: Options & { readonly readMaxBytes: number },
  protections: Protections,
): Registrations {
  const router = createConnectRouter();
  const procedures = new Map<string, Procedure>();
  const implemented = new Set<string>();

  function register(
    specs: readonly MethodImplSpec[],
    isImplemented: (spec: MethodImplSpec) => boolean,
    given: Options | undefined,
    add: (options: Options) => void,
  ): void {
    for (const { method } of specs) {
      const path = createMethodUrl("/", method);
      if (!implemented.has(path)) continue;
      throw new Error(`register ${path}: it is already registered, and only one of its implementations could run`);
    }
    const options = optionsInForce(given);
    const before = router.handlers.length;
    add({ ...protocolsOf(given ?? defaults), ...protect(options) });
    specs.forEach((spec, i) => {
      const handler = router.handlers[before + i] as UniversalHandler;
      procedures.set(handler.requestPath, { handler, spec, options });
      if (isImplemented(spec)) implemented.add(handler.requestPath);
    });
  }

  function optionsInForce(given: Options | undefined): ProcedureOptions {
    const { acceptCompression = [], readMaxBytes = defaults.readMaxBytes, ...rest } = { ...defaults, ...given };
    const { shutdownSignal, ...options } = validateUniversalHandlerOptions({
      ...rest,
      readMaxBytes,
      acceptCompression: acceptCompression.map(protections.guardCompression),
    });
    const ends = protections.shutdownSignal;
    return {
      ...options,
      bodyMaxBytes: readMaxBytes + ENVELOPE_BYTES,
      shutdownSignal: shutdownSignal === undefined ? ends : AbortSignal.any([ends, shutdownSignal]),
    };
  }

  function protect(options: ProcedureOptions): Options {
    const gate = options.requestGate && protections.guardGate(options.requestGate);
    return {
      ...options,
      interceptors: [...protections.interceptors, ...options.interceptors],
      requestGate(context) {
        protections.requestGate(context);
        const passed = gate?.(context);
        if (passed !== undefined) return passed.then(() => protections.beforeBody(context));
        protections.beforeBody(context);
      },
    };
  }

  const recording: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      register(
        Object.values(createServiceImplSpec(service, implementation).methods),
        ({ method }) => typeof implementation[method.localName as keyof typeof implementation] === "function",
        options,
        (protectedOptions) => router.service(service, implementation, protectedOptions),
      );
      return recording;
    },
    rpc(method, implementation, options) {
      register(
        [createMethodImplSpec(method, implementation)],
        () => true,
        options,
        (protectedOptions) => router.rpc(method, implementation, protectedOptions),
      );
      return recording;
    },
  };
  return { router: recording, procedures };
}

/** True if the router has a procedure of a service of that name. */
export function isRegistered({ handlers }: ConnectRouter, { typeName }: DescService): boolean {
  return handlers.some(({ service }) => service.typeName === typeName);
}

/** The protocols that options turn on or off. Connect does not inherit them: options without them turn all of them on. */
function protocolsOf({ connect, grpc, grpcWeb }: Options): Options {
  return { connect: connect !== false, grpc: grpc !== false, grpcWeb: grpcWeb !== false };
}
