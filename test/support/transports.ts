/** Connect's own clients, in every protocol over every HTTP version that it is for. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

export interface NamedTransport {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly create: (baseUrl: string) => Transport;
}

export const TRANSPORTS: readonly NamedTransport[] = [
  { name: "gRPC over HTTP/2", http: "2", create: (baseUrl) => createGrpcTransport({ baseUrl }) },
  ...(["1.1", "2"] as const).flatMap((http) => [
    {
      name: `gRPC-Web over HTTP/${http}`,
      http,
      create: (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: http }),
    },
    {
      name: `Connect over HTTP/${http}`,
      http,
      create: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: http }),
    },
  ]),
];
