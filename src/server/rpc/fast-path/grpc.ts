/** Calls of gRPC (PROTOCOL-HTTP2.md): messages in envelopes, the status in trailers. */
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { EMPTY_BYTES, type Field, type Piece, type ResponseHead } from "../../http/exchange.ts";
import { compressEnvelope, envelopeBytes, messageInEnvelope } from "../envelope.ts";
import { plainGrpcMessage } from "../grpc-message.ts";
import { grpcTimeoutMs } from "../timeout.ts";
import type { Call, StreamProtocol, UnaryProtocol } from "./protocol.ts";

const OK_TRAILER: readonly Field[] = Object.freeze([Object.freeze(["grpc-status", "0"] as const)]);

export const grpc: UnaryProtocol & StreamProtocol = {
  name: "grpc",
  encodingHeader: "grpc-encoding",
  acceptEncodingHeader: "grpc-accept-encoding",
  timeoutHeader: "grpc-timeout",
  timeoutMs: grpcTimeoutMs,
  messageIn: messageInEnvelope,
  bodyBytes: envelopeBytes,
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
    call.respond(headOf(call), EMPTY_BYTES, trailersOf(call, error));
    return undefined;
  },

  endFlag: undefined,
  endEnvelope: () => undefined,
  endTrailers: trailersOf,
};

function send(call: Call, envelope: Piece): void {
  call.respond(headOf(call), envelope, trailersOf(call, undefined));
}

function trailersOf(call: Call, error: ConnectError | undefined): readonly Field[] {
  if (error !== undefined) return plainGrpcMessage([...setTrailerStatus(call.responseTrailer, error)]);
  const trailer = call.touchedTrailer;
  return trailer === undefined ? OK_TRAILER : plainGrpcMessage([...trailer]);
}

function headOf({ negotiation, touchedHeader }: Call): ResponseHead {
  return negotiation.heads.of(touchedHeader);
}
