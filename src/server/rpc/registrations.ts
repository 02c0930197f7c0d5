/**
 * Registers procedures with Connect's router. Options of a registration replace the defaults, as in Connect. Options
 * never replace the server's own gate, interceptors, compression limits or shutdown signal.
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
  type ServiceImpl,
} from "@connectrpc/connect";
import {
  type Compression,
  createMethodUrl,
  type UniversalHandler,
  validateUniversalHandlerOptions,
} from "@connectrpc/connect/protocol";
import { ENVELOPE_PREFIX_BYTES } from "./envelope.ts";
import type { ContextValuesOf, ProcedureOptions, RequestGate } from "./options.ts";

type Options = Partial<ConnectRouterOptions>;

/** The server's hooks for Connect's handlers. The options of a registration cannot replace them. */
export interface Protections {
  /** Runs before the gate of a registration. */
  readonly requestGate: (context: HandlerContext) => void;
  /** Returns the gate to run in place of the gate of a registration. */
  readonly guardGate: (gate: RequestGate) => RequestGate;
  /** Runs after the gate of a registration, before the body is read. */
  readonly beforeBody: (context: HandlerContext) => void;
  /** Interceptors around those of a registration. The first is the outermost. */
  readonly interceptors: readonly Interceptor[];
  /** Returns the algorithm to use in place of `compression`, an algorithm of a registration or of the defaults. */
  readonly guardCompression: (compression: Compression) => Compression;
  readonly shutdownSignal: AbortSignal;
}

/** A procedure as the routes registered it. */
export interface Registration {
  /** Connect's handler, with all protections. */
  readonly handler: UniversalHandler;
  readonly spec: MethodImplSpec;
  /**
   * The options of the registration, completed by the defaults, with the server's compression limits and shutdown
   * signal. The server's gate and interceptors are not included.
   */
  readonly options: ProcedureOptions;
}

/** A procedure as the server serves it. */
export interface Procedure extends Registration {
  /** Makes the context values of each call, before its request gate runs. If undefined, they only have the peer. */
  readonly contextValues: ContextValuesOf | undefined;
}

/** The procedures of one server. */
export class Registrations {
  /**
   * The router to pass to a routes function. The router throws an Error if a procedure already has an implementation.
   */
  readonly router: ConnectRouter;
  readonly #connectRouter = createConnectRouter();
  readonly #defaults: Options & { readonly readMaxBytes: number };
  readonly #protections: Protections;
  readonly #procedures = new Map<string, Registration>();
  /** The paths of procedures with an implementation. */
  readonly #implemented = new Set<string>();

  /**
   * Each option in `defaults` applies to the registrations that do not set it, except the protocols (`protocolsOf`). As
   * in Connect, a registration can set an option to undefined to get Connect's default. For `readMaxBytes`, undefined
   * means the value in `defaults`.
   */
  constructor(defaults: Options & { readonly readMaxBytes: number }, protections: Protections) {
    this.#defaults = defaults;
    this.#protections = protections;
    const router: ConnectRouter = {
      handlers: this.#connectRouter.handlers,
      service: (service, implementation, options) => {
        this.#addService(service, implementation, options);
        return router;
      },
      rpc: (method, implementation, options) => {
        const spec = createMethodImplSpec(method, implementation);
        this.#register([spec], [spec], options, (complete) =>
          this.#connectRouter.rpc(method, implementation, complete),
        );
        return router;
      },
    };
    this.router = router;
  }

  /** The registered procedures by path without prefix, in the order of their registration. */
  get procedures(): ReadonlyMap<string, Registration> {
    return this.#procedures;
  }

  #addService<T extends DescService>(
    service: T,
    implementation: Partial<ServiceImpl<T>>,
    options: Options | undefined,
  ): void {
    const specs = Object.values(createServiceImplSpec(service, implementation).methods);
    const implemented = specs.filter(
      ({ method }) => typeof implementation[method.localName as keyof typeof implementation] === "function",
    );
    this.#register(specs, implemented, options, (complete) =>
      this.#connectRouter.service(service, implementation, complete),
    );
  }

  /**
   * Registers `specs`. Calls `add` once with the complete options; `add` passes them to Connect's router. Throws an
   * Error if one of `specs` already has an implementation.
   */
  #register(
    specs: readonly MethodImplSpec[],
    implemented: readonly MethodImplSpec[],
    given: Options | undefined,
    add: (complete: Options) => void,
  ): void {
    for (const { method } of specs) {
      const path = createMethodUrl("/", method);
      if (!this.#implemented.has(path)) continue;
      throw new Error(`register ${path}: it is already registered, and only one of its implementations could run`);
    }
    const options = this.#effectiveOptions(given);
    const { handlers } = this.#connectRouter;
    const before = handlers.length;
    add({ ...protocolsOf(given ?? this.#defaults), ...this.#protect(options) });
    specs.forEach((spec, i) => {
      const handler = handlers[before + i] as UniversalHandler;
      this.#procedures.set(handler.requestPath, { handler, spec, options });
      if (implemented.includes(spec)) this.#implemented.add(handler.requestPath);
    });
  }

  #effectiveOptions(given: Options | undefined): ProcedureOptions {
    const defaults = this.#defaults;
    const protections = this.#protections;
    const { acceptCompression = [], readMaxBytes = defaults.readMaxBytes, ...rest } = { ...defaults, ...given };
    const { shutdownSignal, ...options } = validateUniversalHandlerOptions({
      ...rest,
      readMaxBytes,
      acceptCompression: acceptCompression.map(protections.guardCompression),
    });
    const serverSignal = protections.shutdownSignal;
    return {
      ...options,
      bodyMaxBytes: readMaxBytes + ENVELOPE_PREFIX_BYTES,
      shutdownSignal: shutdownSignal === undefined ? serverSignal : AbortSignal.any([serverSignal, shutdownSignal]),
    };
  }

  #protect(options: ProcedureOptions): Options {
    const protections = this.#protections;
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
}

/** True if the router has a procedure of a service with this type name. */
export function isRegistered({ handlers }: ConnectRouter, { typeName }: DescService): boolean {
  return handlers.some(({ service }) => service.typeName === typeName);
}

/**
 * Returns the options that enable protocols, from those of a registration or from the defaults. As in Connect, a
 * registration with options does not inherit these from the defaults. A protocol is enabled unless its option is false.
 */
function protocolsOf({ connect, grpc, grpcWeb }: Options): Options {
  return { connect: connect !== false, grpc: grpc !== false, grpcWeb: grpcWeb !== false };
}
