/** Streams of Connect: messages in envelopes, the final of which is JSON with the trailers and the error. */
import {
  createEndStreamSerialization,
  endStreamFlag,
  headerStreamAcceptEncoding,
  headerStreamEncoding,
} from "@connectrpc/connect/protocol-connect";
import { compressEnvelope, encodeEnvelope } from "../envelope.ts";
import { connect } from "./connect.ts";
import type { StreamProtocol } from "./protocol.ts";

/** The final envelope of a response without trailers. */
const OK_END = encodeEnvelope(Buffer.from("{}"), endStreamFlag);

export const connectStream: StreamProtocol = {
  name: "connect",
  encodingHeader: headerStreamEncoding.toLowerCase(),
  acceptEncodingHeader: headerStreamAcceptEncoding.toLowerCase(),
  timeoutHeader: connect.timeoutHeader,
  timeoutMs: connect.timeoutMs,
  okTrailer: [],
  compressionHeaders: (compression) => ({ [headerStreamEncoding]: compression }),
  endFlag: endStreamFlag,

  endEnvelope(call, error) {
    const { compression, method } = call.negotiation;
    const isSmall = compression === null || OK_END.length < method.compressMinBytes;
    if (error === undefined && call.touchedTrailer === undefined && isSmall) return OK_END;
    const { serialize } = createEndStreamSerialization(method.jsonOptions);
    const end = serialize({ metadata: call.responseTrailer, ...(error !== undefined && { error }) });
    return compressEnvelope(end, compression, method.compressMinBytes, endStreamFlag);
  },

  endTrailers: () => [],
};
