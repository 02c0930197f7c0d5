/**
 * Annotates a body of frames: a flag, a length and a content (gRPC's PROTOCOL-HTTP2 and PROTOCOL-WEB; Connect protocol,
 * "Streaming RPCs"). The content is a message, trailers of gRPC-Web, or the EndStreamResponse of Connect.
 */
import { jsonParts } from "./json.ts";
import { type FrameContent, type Part, shift } from "./part.ts";

/** Size of the flag (1 byte) and the length (4 bytes) before a frame's content. */
export const FRAME_PREFIX_BYTES = 5;
const COMPRESSED = 0x01;
const END_STREAM = 0x02;
const TRAILERS = 0x80;

/** True if the frame is the last one of a stream: trailers, or an EndStreamResponse. */
export function isEnd(frame: Uint8Array): boolean {
  return contentOf(frame[0] as number) !== "message";
}

/**
 * Returns the parts of the body. `contentParts` returns the parts of a message. Bytes that cannot be read become a
 * malformed part. Throws nothing.
 */
export function frameParts(body: Uint8Array, contentParts: (content: Uint8Array) => Part[]): Part[] {
  const parts: Part[] = [];
  for (let start = 0; start < body.length; ) {
    const contentStart = start + FRAME_PREFIX_BYTES;
    if (contentStart > body.length) return [...parts, malformedRest(body, start)];
    const flags = body[start] as number;
    const bytes = new DataView(body.buffer, body.byteOffset + start + 1, 4).getUint32(0);
    const [compressed, content] = [(flags & COMPRESSED) !== 0, contentOf(flags)];
    parts.push({ start, end: start + 1, annotation: { kind: "flag", compressed, content } });
    parts.push({ start: start + 1, end: contentStart, annotation: { kind: "frame-length", bytes } });
    const end = contentStart + bytes;
    if (end > body.length) return [...parts, malformedRest(body, contentStart)];
    const readParts = { message: contentParts, trailers: trailerParts, "end-stream": jsonParts }[content];
    if (!compressed) {
      for (const part of shift(readParts(body.subarray(contentStart, end)), contentStart)) parts.push(part);
    } else if (bytes > 0) parts.push({ start: contentStart, end, annotation: { kind: "compressed" } });
    start = end;
  }
  return parts;
}

function contentOf(flags: number): FrameContent {
  return (flags & TRAILERS) !== 0 ? "trailers" : (flags & END_STREAM) !== 0 ? "end-stream" : "message";
}

function malformedRest(body: Uint8Array, start: number): Part {
  return { start, end: body.length, annotation: { kind: "malformed", expected: "frame" } };
}

/** Returns the parts of trailers: lines of a name, a colon, a value and CRLF. */
function trailerParts(content: Uint8Array): Part[] {
  const text = Array.from(content, (byte) => String.fromCharCode(byte)).join("");
  return text
    .matchAll(/([^\r\n]*)(\r?\n|$)/g)
    .flatMap(({ index, 1: line = "", 2: lineEnd = "" }) => {
      const [, name, mark, value] = /^([^:]+)(: *)(.*)$/.exec(line) ?? [];
      if (name === undefined || mark === undefined || value === undefined) {
        return consecutive(index, [[line + lineEnd, { annotation: { kind: "malformed", expected: "trailer" } }]]);
      }
      return consecutive(index, [
        [name, { annotation: { kind: "trailer-name", name }, path: name }],
        [mark, { annotation: { kind: "trailer-mark" }, path: name }],
        [value, { annotation: { kind: "trailer-value", name, value }, path: name }],
        [lineEnd, { annotation: { kind: "trailer-mark" }, path: name }],
      ]);
    })
    .toArray();
}

/** Returns one part for each text that is not empty. The texts follow each other from the offset `start` on. */
function consecutive(start: number, pieces: readonly [string, Omit<Part, "start" | "end">][]): Part[] {
  const parts: Part[] = [];
  let at = start;
  for (const [text, part] of pieces) {
    if (text !== "") parts.push({ start: at, end: at + text.length, ...part });
    at += text.length;
  }
  return parts;
}
