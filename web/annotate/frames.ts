/** A body of gRPC or gRPC-Web as parts: frames of a flag, a length, and a message or trailers (gRPC over HTTP/2; PROTOCOL-WEB). */
import type { DescMessage } from "@bufbuild/protobuf";
import { messageParts } from "./message.ts";
import { type Part, shift } from "./part.ts";

/** What stands before a frame's content, in bytes: its flag and its length. */
export const FRAME_HEAD = 5;
const COMPRESSED = 0x01;
const TRAILERS = 0x80;

/** Every byte of the body, in one part each. It never throws: what cannot be read is malformed. */
export function frameParts(body: Uint8Array, message: DescMessage): Part[] {
  let parts: Part[] = [];
  for (let start = 0; start < body.length; ) {
    const contentStart = start + FRAME_HEAD;
    if (contentStart > body.length) return [...parts, rest(body, start)];
    const flags = body[start] as number;
    const bytes = new DataView(body.buffer, body.byteOffset + start + 1, 4).getUint32(0);
    const [compressed, trailers] = [(flags & COMPRESSED) !== 0, (flags & TRAILERS) !== 0];
    parts.push({ start, end: start + 1, what: { kind: "flag", compressed, trailers } });
    parts.push({ start: start + 1, end: contentStart, what: { kind: "frame-length", bytes } });
    const end = contentStart + bytes;
    if (end > body.length) return [...parts, rest(body, contentStart)];
    const content = body.subarray(contentStart, end);
    if (compressed && bytes > 0) parts.push({ start: contentStart, end, what: { kind: "compressed" } });
    else if (trailers) parts = [...parts, ...shift(trailerParts(content), contentStart)];
    else if (!compressed) parts = [...parts, ...shift(messageParts(content, message), contentStart)];
    start = end;
  }
  return parts;
}

function rest(body: Uint8Array, start: number): Part {
  return { start, end: body.length, what: { kind: "malformed", wanted: "frame" } };
}

/** Lines of a name, a colon, a value and CRLF. */
function trailerParts(content: Uint8Array): Part[] {
  const text = Array.from(content, (byte) => String.fromCharCode(byte)).join("");
  return text
    .matchAll(/([^\r\n]*)(\r?\n|$)/g)
    .flatMap(({ index, 1: line = "", 2: lineEnd = "" }) => {
      const [, name, mark, value] = /^([^:]+)(: *)(.*)$/.exec(line) ?? [];
      if (name === undefined || mark === undefined || value === undefined) {
        return run(index, [[line + lineEnd, { what: { kind: "malformed", wanted: "trailer" } }]]);
      }
      return run(index, [
        [name, { what: { kind: "trailer-name", name }, path: name }],
        [mark, { what: { kind: "trailer-mark" }, path: name }],
        [value, { what: { kind: "trailer-value", name, value }, path: name }],
        [lineEnd, { what: { kind: "trailer-mark" }, path: name }],
      ]);
    })
    .toArray();
}

function run(start: number, pieces: readonly [string, Omit<Part, "start" | "end">][]): Part[] {
  const parts: Part[] = [];
  let at = start;
  for (const [text, part] of pieces) {
    if (text !== "") parts.push({ start: at, end: at + text.length, ...part });
    at += text.length;
  }
  return parts;
}
