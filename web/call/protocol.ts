/** The protocols that a browser can speak, with the transports of Connect's client. */
import type { DescMethod, Registry } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

export const PROTOCOLS = ["connect-json", "connect-binary", "connect-get", "grpc-web"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The protocols' names, the same in every language. */
export const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = {
  "connect-json": "Connect JSON",
  "connect-binary": "Connect binary",
  "connect-get": "Connect GET",
  "grpc-web": "gRPC-Web",
};

/**
 * Creates the transport of a protocol to `baseUrl`. The transport sends requests with `fetch`. `registry` has the types
 * that a google.protobuf.Any can hold in JSON.
 */
export function createTransport(
  protocol: Protocol,
  baseUrl: string,
  fetch: typeof globalThis.fetch,
  registry?: Registry,
): Transport {
  if (protocol === "grpc-web") return createGrpcWebTransport({ baseUrl, fetch });
  return createConnectTransport({
    baseUrl,
    fetch,
    jsonOptions: registry === undefined ? {} : { registry },
    useBinaryFormat: protocol === "connect-binary",
    useHttpGet: protocol === "connect-get",
  });
}

/** True if messages are in protobuf's binary format. */
export function isBinary(protocol: Protocol): boolean {
  return protocol === "connect-binary" || protocol === "grpc-web";
}

/** True if the contract marks the method as free of side effects: additional calls then do no harm. */
export function isSafe({ idempotency }: DescMethod): boolean {
  return idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** True if the protocol can call the method: GET calls only safe unary methods. */
export function isOffered(protocol: Protocol, method: DescMethod): boolean {
  return protocol !== "connect-get" || (method.methodKind === "unary" && isSafe(method));
}
