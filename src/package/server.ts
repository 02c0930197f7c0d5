/** The entry of the package: the server of any Connect routes. */
export type { Peer, PeerCertificate } from "../server/http/exchange.ts";
export { DEFAULT_LIMITS, LIMITS, type Limits } from "../server/limits/limits.ts";
export { readTlsFiles, type TlsFiles } from "../server/listener/tls-files.ts";
export type { TlsCredentials } from "../server/listener/tls-credentials.ts";
export { retryRefused } from "../server/retry-refused.ts";
export { peerKey } from "../server/rpc/peer.ts";
export { createServer, type Server, type ServerOptions } from "../server/server.ts";
export { HealthStatus } from "../server/services/health-status.ts";
