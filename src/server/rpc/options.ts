/** Options: of the RPC handlers of a server, and of a single procedure. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { Limits, OnLimit } from "../limits/limits.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";

/** Registers services with a router, as the routes of Connect's own adapters do. */
export type Routes = (router: ConnectRouter) => void;

/** The rows of the limits table that bound compression. */
export type CompressionLimits = Pick<
  Limits,
  "brotliWindowBytes" | "decompressors" | "queuedDecompressions" | "compressors"
>;

export interface RpcOptions {
  readonly routes: Routes;
  /** Connect's options, for registrations that have none of their own. */
  readonly defaults: Partial<ConnectRouterOptions>;
  /** Maximum size of a request message, before and after decompression. The options of a registration may change it. */
  readonly messageBytes: number;
  /** Maximum number of handlers in flight. */
  readonly callsInFlight: number;
  readonly compression: CompressionLimits;
  /** True if the calls of a service are accepted under load, and not counted as calls in flight. */
  readonly isExempt: (service: DescService) => boolean;
  /** Maximum duration of a unary call. A client's deadline can only shorten it. */
  readonly deadlineMs: number;
  /** True if valid unary calls take the fast path. */
  readonly fastPath: boolean;
  /** Logs each exception that was not meant for the client, at most one per procedure and second. */
  readonly log: ThrottledLog;
  readonly onLimit: OnLimit;
  /** Tells handlers of the shutdown when it aborts, and ends streams with its reason. */
  readonly shutdownSignal: AbortSignal;
  /** Ends every call with its reason when it aborts. */
  readonly cutSignal: AbortSignal;
}

/** Runs before the body of a request is read. Throws to reject the call. */
export type RequestGate = NonNullable<UniversalHandlerOptions["requestGate"]>;

/** Connect's options of a procedure, complete. */
export interface ProcedureOptions extends UniversalHandlerOptions {
  /** Maximum size of a unary request body that is buffered: a message and its envelope. */
  readonly bodyMaxBytes: number;
  readonly shutdownSignal: AbortSignal;
}
