/** Prints the headers, sizes and times of each call that this process makes. */
import { traceHttp1 } from "./http1.ts";
import { traceHttp2 } from "./http2.ts";
import { fieldOf, type RawHeaders } from "./trace.ts";

/** Bits in the flags of a gRPC-Web frame. */
const COMPRESSED = 0x01;
const TRAILERS = 0x80;
const FRAME_HEAD_BYTES = 5;

/** Calls `print` with each line about the calls that this process makes from now on. */
export function printCalls(print: (line: string) => void): void {
  const options = { print, startedMs: performance.now(), trailersInBody };
  traceHttp1(options);
  traceHttp2(options);
}

/**
 * Returns the trailers of gRPC-Web, which are in the final frame of the body. Compressed trailers are not decompressed: only
 * their size is returned. Returns an empty list for other protocols.
 */
function trailersInBody(headers: RawHeaders, body: Buffer): RawHeaders {
  const isGrpcWeb = headers.some((text, i) => i % 2 === 1 && /^application\/grpc-web(?!-text)/i.test(text));
  if (!isGrpcWeb) return [];
  for (let at = 0; at + FRAME_HEAD_BYTES <= body.length; ) {
    const flags = body.readUInt8(at);
    const end = at + FRAME_HEAD_BYTES + body.readUInt32BE(at + 1);
    if ((flags & TRAILERS) !== 0) {
      if ((flags & COMPRESSED) !== 0) return ["(compressed)", `${end - at} bytes`];
      const text = body.toString("utf8", at + FRAME_HEAD_BYTES, end);
      return text
        .split("\r\n")
        .filter((line) => line !== "")
        .flatMap(fieldOf);
    }
    at = end;
  }
  return [];
}
