/**
 * Unary calls of Connect, by POST and by GET. A body is a message without an envelope; an error is JSON with an HTTP
 * status.
 */
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  errorToJsonBytes,
  headerContentType,
  headerUnaryContentLength,
  headerUnaryEncoding,
  trailerMux,
} from "@connectrpc/connect/protocol-connect";
import { EMPTY_BYTES, MIN_OWNED_BYTES, OwnedBytes } from "../../http/exchange.ts";
import { connectTimeoutMs } from "../timeout.ts";
import type { Call, UnaryProtocol } from "./protocol.ts";

export const connect: UnaryProtocol = {
  name: "connect",
  encodingHeader: "content-encoding",
  acceptEncodingHeader: "accept-encoding",
  timeoutHeader: "connect-timeout-ms",
  timeoutMs: connectTimeoutMs,
  messageIn: (body) => body,
  bodyBytes: () => 0, // content-length says it
  okTrailer: [],
  compressionHeaders: () => ({}), // only compressed bodies have content-encoding

  sendMessage(call, message) {
    const { compression, heads, method } = call.negotiation;
    const untouched = call.touchedHeader === undefined && call.touchedTrailer === undefined;
    if (untouched && (compression === null || message.length < method.compressMinBytes)) {
      const isSmall = message.length < MIN_OWNED_BYTES;
      call.respond(heads.withLength(message.length), isSmall ? message : new OwnedBytes(EMPTY_BYTES, message));
      return undefined;
    }
    return send(call, 200, message);
  },

  sendError(call, error) {
    call.responseHeader.set(headerContentType, contentTypeUnaryJson);
    if (!error.isWireError) mergeNonProtocolHeaders(call.responseHeader, error.metadata);
    return send(call, codeToHttpStatus(error.code), errorToJsonBytes(error, call.negotiation.method.jsonOptions));
  },
};

function send(call: Call, status: number, body: Uint8Array): Promise<void> | undefined {
  const { compression, method } = call.negotiation;
  if (compression === null || body.length < method.compressMinBytes) {
    finish(call, status, body);
    return undefined;
  }
  return compression.compress(body as Uint8Array<ArrayBuffer>).then((bytes) => {
    call.responseHeader.set(headerUnaryEncoding, compression.name);
    finish(call, status, bytes);
  });
}

function finish(call: Call, status: number, body: Uint8Array): void {
  const header = trailerMux(call.responseHeader, call.responseTrailer);
  header.set(headerUnaryContentLength, String(body.length));
  call.respond({ status, fields: [...header] }, body);
}
