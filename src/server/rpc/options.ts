/** The options of all RPC handlers of a server, and those of one procedure. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions, ContextValues } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { Exchange } from "../http/exchange.ts";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import type { CallCuts } from "./deadlines.ts";
import type { Observer } from "./observer.ts";

/** Registers services with a router. Connect's adapters take the same function as `routes`. */
export type Routes = (router: ConnectRouter) => void;

/** The limits on compression (limits/limits.ts). */
export type CompressionLimits = Pick<
  Limits,
  "brotliWindowBytes" | "decompressors" | "queuedDecompressions" | "compressors"
>;

/** Returns the context values of a call. May throw; the call then ends with the error. */
export type ContextValuesOf = (exchange: Exchange) => ContextValues;

export interface RpcOptions extends CallCuts {
  readonly routes: Routes;
  /** Connect's options for registrations that do not set them (registrations.ts). */
  readonly defaults: Partial<ConnectRouterOptions>;
  /**
   * Maximum size of a request message, before and after decompression. A registration may change it by `readMaxBytes`.
   */
  readonly messageBytes: number;
  /** Maximum number of running handlers. */
  readonly callsInFlight: number;
  readonly compression: CompressionLimits;
  /**
   * True if the calls of a service are not counted as calls in flight. These calls are accepted while `callsInFlight`
   * is reached.
   */
  readonly isExempt: (service: DescService) => boolean;
  /** Returns the beginning of the paths of a service, such as "/api", or "" for none. */
  readonly pathPrefixOf: (service: DescService) => string;
  /** Returns the function that makes the context values of a service's calls. If undefined, they only have the peer. */
  readonly contextValuesOf: (service: DescService) => ContextValuesOf | undefined;
  /** Maximum duration of a unary call. The timeout of a client can only shorten it. */
  readonly deadlineMs: number;
  /** True if valid calls take the fast path. */
  readonly fastPath: boolean;
  readonly observer: Observer | undefined;
  /** Logs exceptions, whose text clients do not get, and responses that cannot be sent. */
  readonly log: ThrottledLog;
  readonly onLimit: OnLimit;
  /** Aborts before the end of a shutdown. Handlers are told to stop, and streams end with the reason of the signal. */
  readonly shutdownSignal: AbortSignal;
}

/** Runs before the body of a request is read. Throws, or returns a promise that rejects, to reject the call. */
export type RequestGate = NonNullable<UniversalHandlerOptions["requestGate"]>;

/** The complete options of a procedure: Connect's, and two of the server. */
export interface ProcedureOptions extends UniversalHandlerOptions {
  /** Maximum size of a unary request body that is buffered: a message and the prefix of its envelope. */
  readonly bodyMaxBytes: number;
  readonly shutdownSignal: AbortSignal;
}
