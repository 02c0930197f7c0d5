/** Calls of gRPC-Web (PROTOCOL-WEB.md): like gRPC, but the trailers are the final envelope of the body. */
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { EMPTY_BYTES, joined, OwnedBytes, type Piece } from "../../http/exchange.ts";
import { compressEnvelope, encodeEnvelope } from "../envelope.ts";
import { grpc } from "./grpc.ts";
import type { Call, StreamProtocol, UnaryProtocol } from "./protocol.ts";

const OK_TRAILER = Buffer.from(grpc.okTrailer.map(([name, value]) => `${name}: ${value}\r\n`).join(""));
const OK_TRAILER_ENVELOPE = encodeEnvelope(OK_TRAILER, trailerFlag);

export const grpcWeb: UnaryProtocol & StreamProtocol = {
  ...grpc,
  name: "grpc-web",

  sendMessage(call, message) {
    const { compression, method } = call.negotiation;
    const envelope = compressEnvelope(message, compression, method.compressMinBytes);
    return send(call, envelope, trailerEnvelope(call, undefined));
  },

  sendError(call, error) {
    return send(call, EMPTY_BYTES, trailerEnvelope(call, error));
  },

  endFlag: trailerFlag,
  endEnvelope: trailerEnvelope,
  endTrailers: () => [],
};

type Envelope = Piece | Promise<Piece>;

function trailerEnvelope(call: Call, error: ConnectError | undefined): Envelope {
  const { compression, method } = call.negotiation;
  const isSmall = compression === null || OK_TRAILER.length < method.compressMinBytes;
  if (error === undefined && call.touchedTrailer === undefined && isSmall) return OK_TRAILER_ENVELOPE;
  const trailer = error === undefined ? call.responseTrailer : setTrailerStatus(call.responseTrailer, error);
  return compressEnvelope(trailerSerialize(trailer), compression, method.compressMinBytes, trailerFlag);
}

function send(call: Call, message: Envelope, trailer: Envelope): Promise<void> | undefined {
  if (message instanceof Promise || trailer instanceof Promise) {
    return Promise.all([message, trailer]).then(([bytes, end]) => send(call, bytes, end));
  }
  const end = joined(trailer);
  const body =
    message instanceof OwnedBytes ? new OwnedBytes(message.prefix, message.bytes, end) : Buffer.concat([message, end]);
  call.respond(call.negotiation.heads.of(call.touchedHeader), body);
  return undefined;
}
