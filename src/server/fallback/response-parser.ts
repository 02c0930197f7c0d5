/** Parses the response that a server of node:http writes to a connection (RFC 9112). */
import type { Field, ResponseHead } from "../http/exchange.ts";
import { isConnectionSpecific } from "./fields.ts";

/** The part of the response that is expected next. */
type Part = "head" | "body of a length" | "body until the end" | "chunk size" | "chunk" | "end of a chunk" | "trailers";

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Expects exactly one final response. Leaves out interim responses, and all connection-specific fields. */
export class ResponseParser {
  /** Undefined until the head of the final response was parsed. */
  head: ResponseHead | undefined;
  readonly trailers: Field[] = [];
  isComplete = false;
  readonly #method: string;
  #part: Part = "head";
  /** Bytes that were not parsed yet, because their line is not complete. */
  #bytes = NO_BYTES;
  /** The rest of the body or of the chunk, in bytes. */
  #left = 0;

  /** `method` is that of the request. A response to HEAD has no body. */
  constructor(method: string) {
    this.#method = method;
  }

  /** Parses the next bytes. Adds pieces of the body, which refer to `bytes`, to `pieces`. Throws Error if they are invalid. */
  parse(bytes: Buffer, pieces: Uint8Array[]): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length > 0 && this.#parsePart(pieces)) {
      if (this.isComplete && this.#bytes.length > 0) throw new Error("read the response: bytes follow its end");
    }
  }

  /** Records the end of the connection. Throws Error if the response is not complete. */
  end(): void {
    if (this.#part === "body until the end") this.isComplete = true;
    if (!this.isComplete) throw new Error("read the response: the connection ended before it was complete");
  }

  /** Parses the next part. Returns false if its bytes are not complete. */
  #parsePart(pieces: Uint8Array[]): boolean {
    switch (this.#part) {
      case "head":
        return this.#parseHead();
      case "body until the end":
        pieces.push(this.#take(this.#bytes.length));
        return true;
      case "body of a length":
      case "chunk":
        return this.#parseBody(pieces);
      case "chunk size":
        return this.#parseChunkSize();
      case "end of a chunk":
        return this.#parseChunkEnd();
      case "trailers":
        return this.#parseTrailer();
    }
  }

  #parseHead(): boolean {
    const text = this.#takeUntil("\r\n\r\n");
    if (text === undefined) return false;
    const [first = "", ...lines] = text.split("\r\n");
    const [, digits] = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first) ?? [];
    const status = Number(digits);
    if (digits === undefined || status === 101)
      throw new Error(`read the response: ${JSON.stringify(first)} is invalid`);
    if (status < 200) return true;
    const fields = lines.map(parseField);
    this.head = { status, fields: fields.filter(([name]) => !isConnectionSpecific(name)) };
    this.#beginBody(status, fields);
    return true;
  }

  /** Finds out the length of the body (RFC 9112, 6.3). */
  #beginBody(status: number, fields: readonly Field[]): void {
    const length = fields.find(([name]) => name === "content-length")?.[1];
    if (this.#method === "HEAD" || status === 204 || status === 304) this.isComplete = true;
    else if (fields.some(([name]) => name === "transfer-encoding")) this.#part = "chunk size";
    else if (length === undefined) this.#part = "body until the end";
    else {
      this.#part = "body of a length";
      this.#left = Number(length);
      if (!/^\d+$/.test(length))
        throw new Error(`read the response: content-length ${JSON.stringify(length)} is invalid`);
      this.isComplete = this.#left === 0;
    }
  }

  #parseBody(pieces: Uint8Array[]): boolean {
    const piece = this.#take(Math.min(this.#left, this.#bytes.length));
    pieces.push(piece);
    this.#left -= piece.length;
    if (this.#left > 0) return true;
    if (this.#part === "chunk") this.#part = "end of a chunk";
    else this.isComplete = true;
    return true;
  }

  #parseChunkSize(): boolean {
    const line = this.#takeUntil("\r\n");
    if (line === undefined) return false;
    if (!/^[\da-f]{1,12}$/i.test(line))
      throw new Error(`read the response: chunk size ${JSON.stringify(line)} is invalid`);
    this.#left = Number.parseInt(line, 16);
    this.#part = this.#left === 0 ? "trailers" : "chunk";
    return true;
  }

  #parseChunkEnd(): boolean {
    const line = this.#takeUntil("\r\n");
    if (line === undefined) return false;
    if (line !== "") throw new Error("read the response: a chunk is longer than its size");
    this.#part = "chunk size";
    return true;
  }

  #parseTrailer(): boolean {
    const line = this.#takeUntil("\r\n");
    if (line === undefined) return false;
    if (line === "") this.isComplete = true;
    else this.trailers.push(parseField(line));
    return true;
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = length === this.#bytes.length ? NO_BYTES : this.#bytes.subarray(length);
    return taken;
  }

  /** Takes the text before `delimiter`, and the delimiter. Returns undefined, and takes nothing, if it is missing. */
  #takeUntil(delimiter: string): string | undefined {
    const at = this.#bytes.indexOf(delimiter, 0, "latin1");
    if (at === -1) return undefined;
    return this.#take(at + delimiter.length).toString("latin1", 0, at);
  }
}

function parseField(line: string): Field {
  const colon = line.indexOf(":");
  if (colon <= 0) throw new Error(`read the response: field ${JSON.stringify(line)} is invalid`);
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
