/** Unary calls of gRPC-Web (PROTOCOL-WEB.md): like gRPC, but the trailers are the final envelope of the body. */
import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { EMPTY_BYTES, joined, OwnedBytes, type Piece } from "../../http/exchange.ts";
import { compressEnvelope, encodeEnvelope } from "../envelope.ts";
import { grpc } from "./grpc.ts";
import type { Call, Protocol } from "./protocol.ts";

const OK_TRAILER = trailerSerialize(new Headers(grpc.okTrailer as [string, string][]));
const OK_TRAILER_ENVELOPE = encodeEnvelope(OK_TRAILER, trailerFlag);

export const grpcWeb: Protocol = {
  ...grpc,
  name: "grpc-web",

  sendMessage(call, message) {
    const { compression, method } = call.negotiation;
    const isPlainOk =
      call.touchedTrailer === undefined && (compression === null || OK_TRAILER.length < method.compressMinBytes);
    return send(
      call,
      compressEnvelope(message, compression, method.compressMinBytes),
      isPlainOk ? OK_TRAILER_ENVELOPE : trailerEnvelope(call, call.responseTrailer),
    );
  },

  sendError(call, error) {
    return send(call, EMPTY_BYTES, trailerEnvelope(call, setTrailerStatus(call.responseTrailer, error)));
  },
};

type Envelope = Piece | Promise<Piece>;

function trailerEnvelope({ negotiation }: Call, trailer: Headers): Envelope {
  const { compression, method } = negotiation;
  return compressEnvelope(trailerSerialize(trailer), compression, method.compressMinBytes, trailerFlag);
}

function send(call: Call, message: Envelope, trailer: Envelope): Promise<void> | undefined {
  if (message instanceof Promise || trailer instanceof Promise) {
    return Promise.all([message, trailer]).then(([bytes, end]) => send(call, bytes, end));
  }
  const end = joined(trailer);
  const body =
    message instanceof OwnedBytes ? new OwnedBytes(message.prefix, message.bytes, end) : Buffer.concat([message, end]);
  call.exchange.respond(call.negotiation.heads.of(call.touchedHeader), body);
  return undefined;
}
