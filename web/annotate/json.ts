/** Annotates a JSON text (RFC 8259). */
import type { Part, Value } from "./part.ts";

/** An object or array around the current token. */
interface Container {
  readonly path: string;
  readonly isArray: boolean;
  index: number;
  key: string | undefined;
}

/**
 * Matches one token, whitespace, or invalid text. The text has one character per byte, so that offsets in text and
 * bytes are equal.
 */
const TOKEN = /[ \t\r\n]+|[{}[\]:,]|"(?:[^"\\]|\\[\s\S])*"|[^ \t\r\n{}[\]:,"]+|"[\s\S]*/g;

/**
 * Returns the parts of the text. An invalid token becomes a malformed part. The order of tokens is not checked. Throws
 * nothing.
 */
export function jsonParts(bytes: Uint8Array): Part[] {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const containers: Container[] = [];
  return Array.from(text.matchAll(TOKEN), ({ index: start, 0: token }): Part => {
    const end = start + token.length;
    const container = containers.at(-1);
    const path = container === undefined ? "" : pathIn(container);
    if (/^[ \t\r\n]/.test(token)) return { start, end, annotation: { kind: "space" } };
    if (/^[{}[\]:,]/.test(token)) {
      return { start, end, annotation: { kind: "mark" }, path: readMark(containers, token, path) };
    }
    const value = readToken(bytes.subarray(start, end));
    if (value === undefined) return { start, end, annotation: { kind: "malformed", expected: "token" }, path };
    if (container === undefined || container.isArray || container.key !== undefined || typeof value !== "string") {
      return { start, end, annotation: { kind: "literal", value }, path };
    }
    container.key = value;
    return { start, end, annotation: { kind: "key", name: value }, path: pathIn(container) };
  });
}

/**
 * Handles a structural character (RFC 8259, 2). Enters or leaves a container, or moves to the next element at a comma.
 * Returns the path of the value that the character belongs to.
 */
function readMark(containers: Container[], token: string, path: string): string {
  const container = containers.at(-1);
  if (token === "{" || token === "[") containers.push({ path, isArray: token === "[", index: 0, key: undefined });
  if (token === "}" || token === "]") containers.pop();
  if (token === "," && container !== undefined) {
    container.index += 1;
    container.key = undefined;
  }
  return "}],".includes(token) ? (container?.path ?? "") : path;
}

function pathIn({ path, isArray, index, key }: Container): string {
  if (isArray) return `${path}[${index}]`;
  return path === "" || key === undefined ? (key ?? path) : `${path}.${key}`;
}

/** Returns the string, number, boolean or null of a token; undefined if the token is malformed. */
function readToken(bytes: Uint8Array): Value | undefined {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
