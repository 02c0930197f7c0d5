/** Connect's own clients, for every protocol and HTTP version that they support, with and without TLS. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { TlsCredentials } from "../../src/server/listener/tls-credentials.ts";
import { AUTHORITY, SERVER } from "./certificates.ts";

export interface NamedTransport {
  readonly name: string;
  readonly http: "1.1" | "2";
  /** The TLS credentials of the server; undefined without TLS. */
  readonly tls: TlsCredentials | undefined;
  readonly create: (baseUrl: string, options?: { readonly interceptors?: Interceptor[] }) => Transport;
}

const CREATE = { gRPC: createGrpcTransport, "gRPC-Web": createGrpcWebTransport, Connect: createConnectTransport };

export const TRANSPORTS: readonly NamedTransport[] = [undefined, SERVER].flatMap((tls) =>
  (["gRPC", "gRPC-Web", "Connect"] as const).flatMap((protocol) =>
    (protocol === "gRPC" ? (["2"] as const) : (["1.1", "2"] as const)).map((http) => ({
      name: `${protocol} over HTTP/${http}${tls === undefined ? "" : " and TLS"}`,
      http,
      tls,
      create: (baseUrl, options = {}) =>
        CREATE[protocol]({ ...options, baseUrl, httpVersion: http, nodeOptions: { ca: AUTHORITY.cert } } as never),
    })),
  ),
);
