/** Unary calls of gRPC-Web (PROTOCOL-WEB.md): as gRPC, but with the trailers in a last envelope of the body. */

import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { EMPTY_BYTES } from "../../http/exchange.ts";
import type { UnaryCall } from "./call.ts";
import { envelope, prefix } from "./envelope.ts";
import { grpc } from "./grpc.ts";
import type { Wire } from "./protocol.ts";
import { responseHead } from "./response-head.ts";

const OK = trailerSerialize(new Headers(grpc.trailerFields as [string, string][]));
const OK_TRAILER = prefix(OK, trailerFlag);

export const grpcWeb: Wire = {
  ...grpc,
  protocolName: "grpc-web",

  succeed(call, message) {
    const { compression, method } = call.plan;
    const isPlainOk =
      call.touchedTrailer === undefined && (compression === null || OK.length < method.compressMinBytes);
    return send(
      call,
      envelope(message, compression, method.compressMinBytes),
      isPlainOk ? OK_TRAILER : enclose(call, call.responseTrailer),
    );
  },

  fail(call, error) {
    return send(call, EMPTY_BYTES, enclose(call, setTrailerStatus(call.responseTrailer, error)));
  },
};

function enclose(call: UnaryCall, trailer: Headers): Uint8Array | Promise<Uint8Array> {
  const { compression, method } = call.plan;
  return envelope(trailerSerialize(trailer), compression, method.compressMinBytes, trailerFlag);
}

type Part = Uint8Array | Promise<Uint8Array>;

function send(call: UnaryCall, message: Part, trailer: Part): Promise<void> | undefined {
  if (message instanceof Promise || trailer instanceof Promise) {
    return Promise.all([message, trailer]).then(([bytes, end]) => send(call, bytes, end));
  }
  call.exchange.respond(responseHead(call), Buffer.concat([message, trailer]));
  return undefined;
}
