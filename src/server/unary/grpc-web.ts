/** Unary calls of gRPC-Web (PROTOCOL-WEB.md): as gRPC, but with the trailers in a last envelope of the body. */
import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import type { UnaryCall } from "./call.ts";
import { envelope } from "./envelope.ts";
import { grpc } from "./grpc.ts";
import { responseHead } from "./response-head.ts";
import type { Wire } from "./wire.ts";

const NOTHING = new Uint8Array(0);
const OK_TRAILER = envelope(trailerSerialize(new Headers(grpc.trailerFields as [string, string][])), null, trailerFlag);

export const grpcWeb: Wire = {
  ...grpc,
  protocolName: "grpc-web",

  succeed(call, message) {
    const trailer = call.touchedTrailer;
    return send(
      call,
      envelope(message, call.plan.compression),
      trailer === undefined ? OK_TRAILER : enclose(call, trailer),
    );
  },

  fail(call, error) {
    return send(call, NOTHING, enclose(call, setTrailerStatus(call.responseTrailer, error)));
  },
};

function enclose(call: UnaryCall, trailer: Headers): Uint8Array | Promise<Uint8Array> {
  return envelope(trailerSerialize(trailer), call.plan.compression, trailerFlag);
}

type Part = Uint8Array | Promise<Uint8Array>;

function send(call: UnaryCall, message: Part, trailer: Part): Promise<void> | undefined {
  if (message instanceof Promise || trailer instanceof Promise) {
    return Promise.all([message, trailer]).then(([bytes, end]) => send(call, bytes, end));
  }
  call.exchange.respond(responseHead(call), Buffer.concat([message, trailer]));
  return undefined;
}
