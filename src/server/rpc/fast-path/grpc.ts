/** Unary calls of gRPC (PROTOCOL-HTTP2.md): one message in an envelope, the status in trailers. */
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { EMPTY_BYTES, type Field } from "../../http/exchange.ts";
import { plainGrpcMessage } from "../grpc-message.ts";
import type { UnaryCall } from "./call.ts";
import { envelope, unenvelope } from "./envelope.ts";
import type { Wire } from "./protocol.ts";
import { responseHead } from "./response-head.ts";

const OK: readonly Field[] = Object.freeze([Object.freeze(["grpc-status", "0"] as const)]);

export const grpc: Wire = {
  protocolName: "grpc",
  encodingField: "grpc-encoding",
  acceptEncodingField: "grpc-accept-encoding",
  timeoutField: "grpc-timeout",
  parseTimeout,
  message: unenvelope,
  trailerFields: OK,
  announce: (compression) => ({ "grpc-encoding": compression }),

  succeed(call, message) {
    const enveloped = envelope(message, call.plan.compression, call.plan.method.compressMinBytes);
    if (enveloped instanceof Promise) return enveloped.then((each) => send(call, each));
    send(call, enveloped);
    return undefined;
  },

  fail(call, error) {
    const trailer = setTrailerStatus(call.responseTrailer, error);
    call.exchange.respond(responseHead(call), EMPTY_BYTES, plainGrpcMessage([...trailer]));
    return undefined;
  },
};

function send(call: UnaryCall, enveloped: Uint8Array): void {
  const trailer = call.touchedTrailer;
  call.exchange.respond(responseHead(call), enveloped, trailer === undefined ? OK : plainGrpcMessage([...trailer]));
}
