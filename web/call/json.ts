/**
 * JSON that keeps everything that was written: the digits of a number, the order of members, and duplicate keys.
 * JSON.parse loses the three.
 */

export type Json = null | boolean | string | JsonNumber | JsonObject | readonly Json[];

export class JsonNumber {
  /** The number as it was written, like "9007199254740993" or "1e3". */
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export interface Member {
  readonly key: string;
  readonly value: Json;
}

export class JsonObject {
  /** The members in their order. Keys may occur more than once. */
  readonly members: readonly Member[];

  constructor(members: readonly Member[] = []) {
    this.members = members;
  }
}

/** The position of a value: the index of a member or of an item, for each level from the outermost one. */
export type Path = readonly number[];

/** Limits the text that is parsed after each key press. */
export const MAX_CHARACTERS = 1_000_000;
/** Limits the levels of objects and lists. Protobuf's own limit, 100 messages, takes at most two levels for each. */
export const MAX_DEPTH = 200;

export class JsonError extends Error {
  /** The position in the text, in UTF-16 code units. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

/** Parses the text by RFC 8259. Throws JsonError if the text is not JSON, too long, or nested too deeply. */
export function parseJson(text: string): Json {
  return new Parser(text).parse();
}

/** Returns the offset of the value at `path`. Returns the length of the text if it does not have the value. */
export function offsetOf(text: string, path: Path): number {
  const parser = new Parser(text, path);
  try {
    parser.parse();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error; // the form can make a text that is longer than the limit
  }
  return parser.found ?? text.length;
}

/** Returns the JSON with one member or item on each line. */
export function formatJson(json: Json, indent = ""): string {
  if (json instanceof JsonNumber) return json.source;
  if (json === null || typeof json !== "object") return JSON.stringify(json);
  const inner = `${indent}  `;
  const [open, close, lines] =
    json instanceof JsonObject
      ? ["{", "}", json.members.map(({ key, value }) => `${JSON.stringify(key)}: ${formatJson(value, inner)}`)]
      : ["[", "]", json.map((value) => formatJson(value, inner))];
  if (lines.length === 0) return open + close;
  return `${open}\n${lines.map((line) => inner + line).join(",\n")}\n${indent}${close}`;
}

/** Returns the number of values in the JSON, but counts at most `limit`. */
export function countValues(json: Json, limit: number): number {
  let count = 1;
  if (json === null || typeof json !== "object" || json instanceof JsonNumber) return count;
  for (const value of json instanceof JsonObject ? json.members.map((member) => member.value) : json) {
    if (count >= limit) break;
    count += countValues(value, limit - count);
  }
  return count;
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

class Parser {
  /** The offset of the value at the target path. */
  found: number | undefined;
  readonly #text: string;
  readonly #target: Path | undefined;
  readonly #path: number[] = [];
  #at = 0;

  constructor(text: string, target?: Path) {
    this.#text = text;
    this.#target = target;
  }

  parse(): Json {
    if (this.#text.length > MAX_CHARACTERS) {
      throw new JsonError(`${this.#text.length} characters are over the limit of ${MAX_CHARACTERS}`, MAX_CHARACTERS);
    }
    const value = this.#value();
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#expected("the end");
    return value;
  }

  #value(): Json {
    this.#match(SPACE);
    this.#compare();
    const next = this.#text[this.#at];
    if (next === "{" || next === "[") {
      if (this.#path.length === MAX_DEPTH) {
        throw new JsonError(`the value is nested over the limit of ${MAX_DEPTH} levels`, this.#at);
      }
      return next === "{" ? this.#object() : this.#list();
    }
    if (next === '"') return this.#string();
    const number = this.#match(NUMBER);
    if (number !== "") return new JsonNumber(number);
    const word = this.#match(WORD);
    if (word === "") throw this.#expected("a value");
    return word === "null" ? null : word === "true";
  }

  #object(): JsonObject {
    const members: Member[] = [];
    this.#each("}", () => {
      if (this.#text[this.#at] !== '"') throw this.#expected("a key in double quotes");
      const key = this.#string();
      this.#match(SPACE);
      if (this.#text[this.#at] !== ":") throw this.#expected('":"');
      this.#at++;
      members.push({ key, value: this.#value() });
    });
    return new JsonObject(members);
  }

  #list(): readonly Json[] {
    const items: Json[] = [];
    this.#each("]", () => void items.push(this.#value()));
    return items;
  }

  /** Parses elements that are separated by commas, from an opening bracket to the closing one. */
  #each(close: string, element: () => void): void {
    this.#at++;
    this.#match(SPACE);
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    this.#path.push(0);
    for (;;) {
      this.#match(SPACE);
      element();
      this.#match(SPACE);
      const next = this.#text[this.#at];
      if (next !== "," && next !== close) throw this.#expected(`"," or "${close}"`);
      this.#at++;
      if (next === close) break;
      this.#path.push((this.#path.pop() as number) + 1);
    }
    this.#path.pop();
  }

  #string(): string {
    const start = this.#at++;
    let isEscaped = false;
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) break;
      if (!(code >= 0x20)) throw this.#expected('a closing quote (")'); // NaN at the end of the text
      if (code !== 0x5c) continue;
      isEscaped = true;
      this.#at++;
    }
    this.#at++;
    if (!isEscaped) return this.#text.slice(start + 1, this.#at - 1);
    try {
      return JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      throw new JsonError("invalid escape (\\) in the string", start);
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #compare(): void {
    const { length } = this.#path;
    if (this.#target?.length !== length || this.found !== undefined) return;
    if (this.#target.every((index, level) => index === this.#path[level])) this.found = this.#at;
  }

  #expected(expected: string): JsonError {
    const next = this.#text.codePointAt(this.#at);
    const found = next === undefined ? "the end" : JSON.stringify(String.fromCodePoint(next));
    return new JsonError(`expected ${expected}, found ${found}`, this.#at);
  }
}
