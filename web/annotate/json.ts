/** Annotates a JSON text (RFC 8259). */
import type { Part, Value } from "./part.ts";

/** An object or array around the current token. */
interface Container {
  readonly path: string;
  readonly isArray: boolean;
  index: number;
  key: string | undefined;
}

/** Matches white space, one mark, the quote that opens a string, or other text. */
const START = /[ \t\r\n]+|[{}[\]:,"]|[^ \t\r\n{}[\]:,"]+/y;

/**
 * Returns the parts of the text. An invalid token becomes a malformed part. The order of tokens is not checked. Throws
 * nothing.
 */
export function jsonParts(bytes: Uint8Array): Part[] {
  // One character for each byte, so that offsets in text and bytes are equal.
  const text = new TextDecoder("latin1").decode(bytes);
  const containers: Container[] = [];
  return Array.from(tokensOf(text), ({ start, token }): Part => {
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

/** Splits the text into tokens, white space and invalid text. A string without an end is one token. */
function* tokensOf(text: string): Generator<{ readonly start: number; readonly token: string }> {
  for (let start = 0; start < text.length; ) {
    START.lastIndex = start;
    let token = START.exec(text)?.[0] as string;
    if (token === '"') token = text.slice(start, endOfString(text, start));
    yield { start, token };
    start += token.length;
  }
}

/** Returns the offset after the string. A regular expression for strings would overflow its stack in a long one. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === "\\") at++;
  }
  return text.length;
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
