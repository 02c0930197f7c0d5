/** Unary calls of gRPC (PROTOCOL-HTTP2.md): one message in an envelope, the status in trailers. */
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { EMPTY_BYTES, type Field, type Piece, type ResponseHead } from "../../http/exchange.ts";
import { compressEnvelope, messageInEnvelope } from "../envelope.ts";
import { plainGrpcMessage } from "../grpc-message.ts";
import { grpcTimeoutMs } from "../timeout.ts";
import type { Call, Protocol } from "./protocol.ts";

const OK_TRAILER: readonly Field[] = Object.freeze([Object.freeze(["grpc-status", "0"] as const)]);

export const grpc: Protocol = {
  name: "grpc",
  encodingHeader: "grpc-encoding",
  acceptEncodingHeader: "grpc-accept-encoding",
  timeoutHeader: "grpc-timeout",
  timeoutMs: grpcTimeoutMs,
  messageIn: messageInEnvelope,
  okTrailer: OK_TRAILER,
  compressionHeaders: (compression) => ({ "grpc-encoding": compression }),

  sendMessage(call, message) {
    const { compression, method } = call.negotiation;
    const envelope = compressEnvelope(message, compression, method.compressMinBytes);
    if (envelope instanceof Promise) return envelope.then((each) => send(call, each));
    send(call, envelope);
    return undefined;
  },

  sendError(call, error) {
    const trailer = setTrailerStatus(call.responseTrailer, error);
    call.exchange.respond(headOf(call), EMPTY_BYTES, plainGrpcMessage([...trailer]));
    return undefined;
  },
};

function send(call: Call, envelope: Piece): void {
  const trailer = call.touchedTrailer;
  call.exchange.respond(headOf(call), envelope, trailer === undefined ? OK_TRAILER : plainGrpcMessage([...trailer]));
}

function headOf({ negotiation, touchedHeader }: Call): ResponseHead {
  return negotiation.heads.of(touchedHeader);
}
