/** A JSON text as parts (RFC 8259). */
import type { Part, Value, What } from "./part.ts";

interface Container {
  readonly path: string;
  readonly isArray: boolean;
  index: number;
  key: string | undefined;
}

// Bytes stand for characters here: an offset in the one is an offset in the other.
const TOKEN = /[ \t\r\n]+|[{}[\]:,]|"(?:[^"\\]|\\[\s\S])*"|[^ \t\r\n{}[\]:,"]+|"[\s\S]*/g;

/** Every byte of the text, in one part each. It never throws: what is no token of JSON is malformed. */
export function jsonParts(bytes: Uint8Array): Part[] {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const within: Container[] = [];
  return Array.from(text.matchAll(TOKEN), ({ index: start, 0: token }) => {
    const end = start + token.length;
    const at = within.at(-1);
    const path = at === undefined ? "" : pathIn(at);
    if (/^[ \t\r\n]/.test(token)) return { start, end, what: { kind: "space" } };
    if (/^[{}[\]:,]/.test(token)) return { start, end, what: { kind: "mark" }, path: readMark(within, token, path) };
    const value = readToken(bytes.subarray(start, end));
    if (value === undefined) return { start, end, what: { kind: "malformed", wanted: "token" }, path };
    if (at === undefined || at.isArray || at.key !== undefined || typeof value !== "string") {
      return { start, end, what: { kind: "literal", value }, path };
    }
    at.key = value;
    return { start, end, what: { kind: "key", name: value } satisfies What, path: pathIn(at) };
  });
}

/** Enters and leaves containers; gives the path of what the mark is of. */
function readMark(within: Container[], token: string, path: string): string {
  const at = within.at(-1);
  if (token === "{" || token === "[") within.push({ path, isArray: token === "[", index: 0, key: undefined });
  if (token === "}" || token === "]") within.pop();
  if (token === "," && at !== undefined) {
    at.index += 1;
    at.key = undefined;
  }
  return "}],".includes(token) ? (at?.path ?? "") : path;
}

function pathIn({ path, isArray, index, key }: Container): string {
  if (isArray) return `${path}[${index}]`;
  return path === "" || key === undefined ? (key ?? path) : `${path}.${key}`;
}

/** Undefined where the bytes are no string, number, true, false or null. */
function readToken(bytes: Uint8Array): Value | undefined {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
