/** The attributes of a call by OpenTelemetry's conventions for RPC, as metrics and traces name them. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import type { ObservedCall } from "../server/rpc/observer.ts";

/** The names of gRPC's status codes, by their numbers. */
const GRPC_CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** Connect's codes are in lower case, and `canceled` has one L. A call that has succeeded is OK over both. */
const CONNECT_CODES = GRPC_CODES.map((name, code) =>
  code === 0 ? name : name === "CANCELLED" ? "canceled" : name.toLowerCase(),
);

/** The codes that are errors of the server. The others are errors of the client. */
const SERVER_ERRORS: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/** The `rpc.method` of all procedures that are not served, because clients choose their names. */
export const OTHER_METHOD = "_OTHER";

export type RpcSystem = "grpc" | "connectrpc";

/** Returns `rpc.system.name`. gRPC-Web counts as gRPC. */
export function rpcSystem(protocolName: ObservedCall["protocolName"]): RpcSystem {
  return protocolName === "connect" ? "connectrpc" : "grpc";
}

/** Returns `network.protocol.version` of HTTP. */
export function protocolVersion(httpVersion: ObservedCall["httpVersion"]): "1.1" | "2" {
  return httpVersion === "2.0" ? "2" : "1.1";
}

/** Returns `rpc.method`, such as "package.Service/Method". */
export function rpcMethod(method: DescMethod | undefined): string {
  return method === undefined ? OTHER_METHOD : `${method.parent.typeName}/${method.name}`;
}

/** Returns `rpc.status_code`. A number that is not a code, which a handler may throw, is unknown. */
export function rpcStatusCode(system: RpcSystem, code: Code | undefined): string {
  const names = system === "grpc" ? GRPC_CODES : CONNECT_CODES;
  return names[code ?? 0] ?? (names[2] as string);
}

/** True if the code is an error of the server. Then `error.type` is `rpc.status_code`. */
export function isServerError(code: Code | undefined): boolean {
  return code !== undefined && SERVER_ERRORS.has(GRPC_CODES[code] ?? "UNKNOWN");
}

/** True for the methods of health and reflection, which are left out: probes and tools call them, not users. */
export function isLeftOut(method: DescMethod | undefined): boolean {
  return method !== undefined && /^grpc\.(?:health|reflection)\./.test(method.parent.typeName);
}
