/** The protocols in which a browser can make a call, each by the real client's transport. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { registry } from "./contract.ts";

export const PROTOCOLS = ["connect-json", "connect-binary", "connect-get", "grpc-web"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** As they are called, in every language. */
export const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  "connect-json": "Connect JSON",
  "connect-binary": "Connect binary",
  "connect-get": "Connect GET",
  "grpc-web": "gRPC-Web",
};

/** The transport of the protocol to an origin, which sends by the given fetch. */
export function createTransport(protocol: Protocol, baseUrl: string, fetch: typeof globalThis.fetch): Transport {
  if (protocol === "grpc-web") return createGrpcWebTransport({ baseUrl, fetch });
  return createConnectTransport({
    baseUrl,
    fetch,
    jsonOptions: { registry },
    useBinaryFormat: protocol === "connect-binary",
    useHttpGet: protocol === "connect-get",
  });
}

/** Whether messages are in protobuf's binary format. */
export function isBinary(protocol: Protocol): boolean {
  return protocol === "connect-binary" || protocol === "grpc-web";
}

/** Whether the contract says that the method has no side effects: who calls it more often than asked for does no harm. */
export function isSafe({ idempotency }: DescMethodUnary): boolean {
  return idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** Only a safe method can be called by GET. */
export function isOffered(protocol: Protocol, method: DescMethodUnary): boolean {
  return protocol !== "connect-get" || isSafe(method);
}
