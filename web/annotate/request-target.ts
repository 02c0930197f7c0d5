/**
 * Annotates a request target: the procedure, and the query of a Connect GET, which contains the message (Connect
 * protocol, "Unary-Get-Request").
 */
import { jsonParts } from "./json.ts";
import type { Part } from "./part.ts";

/** Returns the parts of the target, which must be ASCII. Throws nothing. */
export function requestTargetParts(target: string): Part[] {
  const mark = target.indexOf("?");
  if (mark < 0) return [{ start: 0, end: target.length, annotation: { kind: "procedure" } }];
  const isJson = /[?&]encoding=json(&|$)/.test(target) && !/[?&]base64=1(&|$)/.test(target);
  let parts: Part[] = [
    { start: 0, end: mark, annotation: { kind: "procedure" } },
    { start: mark, end: mark + 1, annotation: { kind: "query-mark" } },
  ];
  let start = mark + 1;
  for (const parameter of target.slice(start).split(/(&)/)) {
    if (parameter === "&") parts.push({ start, end: start + 1, annotation: { kind: "query-mark" } });
    else parts = [...parts, ...parameterParts(parameter, start, isJson)];
    start += parameter.length;
  }
  return parts;
}

function parameterParts(parameter: string, start: number, isJson: boolean): Part[] {
  const equals = parameter.indexOf("=");
  const name = equals < 0 ? parameter : parameter.slice(0, equals);
  const parts: Part[] = [];
  if (name !== "") parts.push({ start, end: start + name.length, annotation: { kind: "parameter-name", name } });
  if (equals < 0) return parts;
  const valueStart = start + equals + 1;
  parts.push({ start: valueStart - 1, end: valueStart, annotation: { kind: "query-mark" } });
  const text = parameter.slice(equals + 1);
  const { bytes, offsets } = percentDecode(text);
  if (name === "message" && isJson) {
    const at = (index: number): number => valueStart + (offsets[index] as number);
    return [...parts, ...jsonParts(bytes).map((part) => ({ ...part, start: at(part.start), end: at(part.end) }))];
  }
  const value = new TextDecoder().decode(bytes);
  const end = valueStart + text.length;
  if (text !== "")
    parts.push({ start: valueStart, end, annotation: { kind: "parameter-value", name, value }, path: name });
  return parts;
}

/**
 * Decodes "%XX" and "+". In the result, `offsets` has the index in the text at which each byte begins. Its last element
 * is the length of the text.
 */
function percentDecode(text: string): { bytes: Uint8Array; offsets: number[] } {
  const bytes: number[] = [];
  const offsets: number[] = [];
  for (const { index, 0: piece } of text.matchAll(/%[\da-f]{2}|[\s\S]/gi)) {
    offsets.push(index);
    bytes.push(piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece === "+" ? 32 : piece.charCodeAt(0));
  }
  return { bytes: Uint8Array.from(bytes), offsets: [...offsets, text.length] };
}
