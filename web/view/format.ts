/** Formats bytes, decoded values, messages and HTTP versions as the page shows them. */
import { type DescMessage, type JsonValue, type Message, type Registry, toJson } from "@bufbuild/protobuf";
import type { Part, Value } from "../annotate/part.ts";

/** Returns the text, cut to `maxLength` characters. */
export function shorten(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}

/** Returns the bytes in hexadecimal, like "08 01". */
export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

export function formatValue(value: Value): string {
  if (value instanceof Uint8Array) return formatHex(value);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** The bytes of a part that are formatted. The page shows fewer characters. */
const MAX_PART_BYTES = 4_096;

/** Returns the bytes of the part, up to a limit, without an incomplete character of UTF-8 at the limit. */
export function beginOf(bytes: Uint8Array, { start, end }: Part): Uint8Array {
  let limit = Math.min(end, start + MAX_PART_BYTES);
  for (let steps = 0; steps < 3 && limit < end && isContinuation(bytes[limit]); steps++) limit--;
  return bytes.subarray(start, limit);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Returns a short text for a part: its name, its value or the begin of its bytes as text. */
export function formatPart(part: Part, bytes: Uint8Array, isText: boolean): string {
  const { start, end, annotation } = part;
  const own = beginOf(bytes, part);
  switch (annotation.kind) {
    case "tag":
      return annotation.field ?? `#${annotation.number}`;
    case "length":
    case "frame-length":
      return `↦ ${annotation.bytes}`;
    case "value":
      return formatValue(annotation.value);
    case "group-end":
      return "}";
    case "flag":
      return annotation.content;
    case "compressed":
      return "…";
    case "malformed":
      return start === end || (!isText && decodeUtf8(own) === undefined) ? "?" : `? ${formatText(own)}`;
    default:
      return formatText(own);
  }
}

/** Returns a time without its unit, like "3.2" or "250". */
export function formatMilliseconds(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
}

/** Returns the HTTP version of an ALPN identifier (RFC 7301). */
export function formatHttpVersion(alpn: string | undefined): string | undefined {
  return alpn === "h2" ? "HTTP/2" : alpn?.toUpperCase();
}

/**
 * Returns the message like "sum = 3", including fields with default values. Returns the error's text if JSON cannot
 * represent the message.
 */
export function formatMessage(desc: DescMessage, message: Message, registry: Registry): string {
  const json = jsonOf(desc, message, registry);
  if (json instanceof Error) return json.message;
  if (json === null || typeof json !== "object" || Array.isArray(json)) return JSON.stringify(json);
  return Object.entries(json)
    .map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

/** Returns the same message as JSON, with each field on a line of its own. */
export function formatWhole(desc: DescMessage, message: Message, registry: Registry): string {
  const json = jsonOf(desc, message, registry);
  return json instanceof Error ? json.message : JSON.stringify(json, null, 2);
}

/** Returns the error if JSON cannot represent the message: an Any has a type that the contract does not have. */
function jsonOf(desc: DescMessage, message: Message, registry: Registry): JsonValue | Error {
  try {
    return toJson(desc, message, { alwaysEmitImplicit: true, registry });
  } catch (error) {
    return error as Error;
  }
}

/** Returns the text of the bytes, with control characters, spaces and bytes that are not UTF-8 made visible. */
function formatText(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes) ?? Array.from(bytes, formatByte).join("");
  return text.replaceAll(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1)).replaceAll(" ", "·");
}

function formatByte(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`;
}

/** Returns the text of the bytes; undefined if they are not UTF-8. */
function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
