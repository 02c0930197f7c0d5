/** Prints each call of this process as it crosses the wire. */
import { traceHttp1 } from "./http1.ts";
import { traceHttp2 } from "./http2.ts";
import { fieldOf, type RawHeaders } from "./trace.ts";

/** The flags of a frame of gRPC-Web: it is compressed, it has the trailers. */
const COMPRESSED = 0x01;
const TRAILERS = 0x80;
const FRAME_HEAD_BYTES = 5;

/** Prints the calls that this process makes from now on, line by line. */
export function printCalls(print: (line: string) => void): void {
  const options = { print, startedMs: performance.now(), trailersInBody };
  traceHttp1(options);
  traceHttp2(options);
}

/** Returns the trailers of gRPC-Web, which come in the last frame of the body; none for other protocols. */
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
