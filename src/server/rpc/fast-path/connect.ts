/** Unary calls of Connect, by POST and by GET: the message is the body, and an error is JSON with a status of HTTP's. */
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  errorToJsonBytes,
  headerContentType,
  headerUnaryContentLength,
  headerUnaryEncoding,
  parseTimeout,
  trailerMux,
} from "@connectrpc/connect/protocol-connect";
import type { UnaryCall } from "./call.ts";
import type { Wire } from "./protocol.ts";

export const connect: Wire = {
  protocolName: "connect",
  encodingField: "content-encoding",
  acceptEncodingField: "accept-encoding",
  timeoutField: "connect-timeout-ms",
  parseTimeout,
  message: (body) => body,
  trailerFields: [],
  announce: () => ({}), // only a message that is compressed says so

  succeed(call, message) {
    const { compression, heads, method } = call.plan;
    const untouched = call.touchedHeader === undefined && call.touchedTrailer === undefined;
    if (untouched && (compression === null || message.length < method.compressMinBytes)) {
      call.exchange.respond(heads.ofLength(message.length), message);
      return undefined;
    }
    return send(call, 200, message);
  },

  fail(call, error) {
    call.responseHeader.set(headerContentType, contentTypeUnaryJson);
    if (!error.isWireError) mergeNonProtocolHeaders(call.responseHeader, error.metadata);
    return send(call, codeToHttpStatus(error.code), errorToJsonBytes(error, call.plan.method.jsonOptions));
  },
};

function send(call: UnaryCall, status: number, body: Uint8Array): Promise<void> | undefined {
  const { compression, method } = call.plan;
  if (compression === null || body.length < method.compressMinBytes) {
    finish(call, status, body);
    return undefined;
  }
  return compression.compress(body as Uint8Array<ArrayBuffer>).then((bytes) => {
    call.responseHeader.set(headerUnaryEncoding, compression.name);
    finish(call, status, bytes);
  });
}

function finish(call: UnaryCall, status: number, body: Uint8Array): void {
  const header = trailerMux(call.responseHeader, call.responseTrailer);
  header.set(headerUnaryContentLength, String(body.length));
  call.exchange.respond({ status, fields: [...header] }, body);
}
