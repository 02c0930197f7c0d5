/** The main entry of the package: the server, and everything that its options need. */
export type { Fallback, FetchHandler, NodeListener, NodeServer } from "../server/fallback/fallback.ts";
export type { Peer, PeerCertificate } from "../server/http/exchange.ts";
export type { Limit } from "../server/limits/definition.ts";
export { DEFAULT_LIMITS, LIMITS, type LimitName, type Limits } from "../server/limits/limits.ts";
export type { BoundAddress, ListenAddress } from "../server/listener/listen-address.ts";
export type { TlsCredentials } from "../server/listener/tls-credentials.ts";
export { readTlsFiles, TlsFileError, type TlsFiles } from "../server/listener/tls-files.ts";
export type { Log, LogRecord } from "../server/log/record.ts";
export { retryRefused } from "../server/retry-refused.ts";
export { type CallRequest, peerKey } from "../server/rpc/context-values.ts";
export type { CallScope, ObservedCall, Observer } from "../server/rpc/observer.ts";
export type { Routes } from "../server/rpc/options.ts";
export { createServer, type Server } from "../server/server.ts";
export type { RoutesOptions, ServerOptions } from "../server/server-options.ts";
export { HealthStatus, type Status as ServingStatus } from "../server/services/health-status.ts";
export type { Reflection } from "../server/services/reflection.ts";
export type { PartialShutdownTimes, ShutdownTimes } from "../server/shutdown.ts";
export type { ServerStats } from "../server/stats.ts";
