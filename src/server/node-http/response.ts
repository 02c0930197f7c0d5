/** Writes the response of an exchange to Node's ServerResponse, and counts the bytes that wait for the client. */
import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Field, ResetReason, ResponseHead } from "../http/exchange.ts";
import type { NodeConnection } from "./connection.ts";

/**
 * The size of the pieces in which longer bodies are written. If a body is not longer and has no trailers, it is written
 * as one string, which Node joins with the head.
 */
export const PIECE_BYTES = 16_384;

/** Error codes of HTTP/2 (RFC 9113, 7). Importing them from node:http2 would load that module for HTTP/1.1 too. */
export const RESET_CODES = { cancel: 0x8, internal: 0x2, refused: 0x7 } as const satisfies Record<ResetReason, number>;

/** The prototype of Node's responses. */
const NODE_RESPONSE = process.getBuiltinModule("node:http").ServerResponse.prototype;

export class ResponseWriter {
  readonly #res: ServerResponse;
  /** The stream of an HTTP/2 response; undefined over HTTP/1.1. */
  readonly #stream: Http2ServerResponse["stream"] | undefined;
  readonly #connection: NodeConnection;
  /** Bytes of the response that wait for the client. */
  #queuedBytes = 0;
  /** The functions to call when the client can receive more. Undefined until the first write waits for that. */
  #waiting: (() => void)[] | undefined;
  /** The pieces that the next write to Node has. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Resolves when the client can receive more. Undefined if it can, as far as is known. */
  #drain: Promise<void> | undefined;
  #isClosed = false;

  constructor(res: ServerResponse, connection: NodeConnection) {
    this.#res = res;
    this.#stream = (res as { stream?: Http2ServerResponse["stream"] }).stream;
    this.#connection = connection;
  }

  /**
   * Sets the status and the header fields. Fields that middleware has set before stay, unless `fields` has the same name.
   * Sends nothing yet. Throws Node's error if a field cannot be sent.
   */
  setHead({ status, fields }: ResponseHead): void {
    this.#res.statusCode = status;
    if (this.#res.getHeaderNames().length > 0) replaceFields(this.#res, fields);
    else for (const [name, value] of fields) this.#res.appendHeader(name, value);
  }

  /**
   * Sends a response with a complete body faster than `setHead` and `end`. Returns false and sends nothing if the body is
   * empty or long, over HTTP/2, or if other code has set fields or may want to see them. Throws like `setHead`.
   */
  trySendWhole({ status, fields }: ResponseHead, body: Uint8Array): boolean {
    const res = this.#res;
    if (body.length === 0 || body.length > PIECE_BYTES || res.writeHead !== NODE_RESPONSE.writeHead) return false;
    if (res.getHeaderNames().length > 0) return false;
    const head: string[] = [];
    let hasLength = false;
    for (const field of fields) {
      head.push(field[0], field[1]);
      hasLength ||= field[0] === "content-length";
    }
    if (!hasLength) head.push("content-length", String(body.length));
    res.writeHead(status, head as never); // declared for HTTP/2 only
    this.#queueHead();
    this.end(latin1(body));
    return true;
  }

  /** True if bytes of the response wait for the client. */
  get isQueued(): boolean {
    return this.#queuedBytes > 0;
  }

  /** True if earlier pipelined responses are not complete. */
  get #isBlocked(): boolean {
    return this.#stream === undefined && this.#res.socket === null;
  }

  /** Sets the trailers, which `end` sends. Throws Node's error if a field cannot be sent. */
  setTrailers(trailers: readonly Field[]): void {
    if (trailers.length > 0) this.#res.addTrailers(valuesByName(trailers));
  }

  /**
   * Begins a response whose body has an unknown length. Over HTTP/1.1, Node sends the head with the first bytes of the
   * body.
   */
  sendHead(): void {
    this.#res.writeHead(this.#res.statusCode);
    this.#queueHead();
  }

  /**
   * Writes a piece of the body, which must not change afterwards. Returns undefined if more can be written
   * immediately. Otherwise returns a promise that resolves when the client can receive more, or the response is
   * closed.
   */
  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    if (piece.length > PIECE_BYTES) {
      this.#writeHeld();
      return this.#writeInPieces(piece);
    }
    // Pieces are held until the end of the tick, because each write to Node costs more than its piece. In an adapter, the
    // middleware of an application may flush each piece.
    const { isExclusive } = this.#connection;
    if (isExclusive && this.#held.length === 0) process.nextTick(() => this.#writeHeld());
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    if (!isExclusive || this.#heldBytes >= PIECE_BYTES) this.#writeHeld();
    return this.#drain;
  }

  #writeHeld(): void {
    const { length: count } = this.#held;
    if (count === 0) return;
    const bytes = count === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#isClosed || this.#res.write(bytes)) return;
    this.#queue(bytes.length);
    const drain = this.#drained().then(() => {
      this.#release(bytes.length);
      if (this.#drain === drain) this.#drain = undefined;
    });
    this.#drain = drain;
  }

  /**
   * Sends the head with the length of the body, and then the body. Resolves when all is sent, or the response is
   * closed.
   */
  writeWhole(body: Uint8Array): Promise<void> {
    if (!this.#res.hasHeader("content-length")) this.#res.setHeader("content-length", body.length);
    this.#queueHead();
    return this.#writeInPieces(body);
  }

  /**
   * Ends the response. `body` is the whole body as a latin1 string. `body` is undefined if the whole body is empty or was
   * written already.
   */
  end(body?: string): void {
    this.#writeHeld();
    this.#res.end(body, "latin1");
    if (body === undefined) return;
    // The body waits if earlier pipelined responses are not complete, or if the client does not read.
    if (((this.#stream ?? this.#res.socket)?.writableLength ?? 1) > 0) this.#queue(body.length);
  }

  /** Stops waiting for the client, and counting the bytes that wait. Must be called when the response is closed. */
  close(): void {
    this.#isClosed = true;
    this.#release(this.#queuedBytes);
    this.#settle();
  }

  /**
   * Makes Node queue the head now, if earlier pipelined responses are not complete. Without this, Node would insert the
   * head at the first write, before output that was queued earlier, such as "100 Continue".
   */
  #queueHead(): void {
    if (this.#isBlocked) this.#res.flushHeaders();
  }

  /** Writes `bytes` in pieces, so that queued bytes are released sooner than by one write. */
  async #writeInPieces(bytes: Uint8Array): Promise<void> {
    this.#queue(bytes.length);
    // Until earlier pipelined responses are complete, `res` has no socket.
    if (this.#isBlocked) {
      await new Promise<void>((resolve) => this.#res.once("socket", () => resolve()).once("close", resolve));
    }
    for (let at = 0; at < bytes.length && !this.#isClosed; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      if (!this.#res.write(piece)) await this.#drained();
      this.#release(piece.length);
    }
  }

  /**
   * Resolves when the client can receive more, or the response is closed. The callback of a write is not an alternative:
   * middleware that replaces `res.write`, such as compression, does not call it.
   */
  #drained(): Promise<void> {
    if (this.#waiting === undefined) {
      this.#waiting = [];
      // One listener for all writes, because a listener that middleware moves to its own stream cannot be removed.
      this.#res.on("drain", () => this.#settle());
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  #settle(): void {
    for (const resolve of this.#waiting?.splice(0) ?? []) resolve();
  }

  #queue(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#connection.changeQueued(bytes);
  }

  #release(bytes: number): void {
    const released = Math.min(bytes, this.#queuedBytes); // `close` may have been called before
    this.#queuedBytes -= released;
    this.#connection.changeQueued(-released);
  }
}

/** Returns bytes as a string, which Node sends together with the head. */
export function latin1(bytes: Uint8Array): string {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1");
}

/** Replaces fields of the same names, except for Set-Cookie and Vary, to which values are added. */
function replaceFields(res: ServerResponse, fields: readonly Field[]): void {
  const replaced = new Set<string>();
  for (const [name, value] of fields) {
    if (name === "vary") res.setHeader(name, listOf(res.getHeader(name), value));
    else if (replaced.has(name) || name === "set-cookie") res.appendHeader(name, value);
    else res.setHeader(name, value);
    replaced.add(name);
  }
}

/** Returns the list of two values of a field, without repetitions. */
function listOf(...values: readonly (number | string | string[] | undefined)[]): string {
  const members = values.flat().flatMap((value) => (value === undefined ? [] : String(value).split(",")));
  return [...new Set(members.map((member) => member.trim()))].join(", ");
}

function valuesByName(fields: readonly Field[]): Record<string, string[]> {
  const values: Record<string, string[]> = Object.create(null);
  for (const [name, value] of fields) values[name] = [...(values[name] ?? []), value];
  return values;
}
