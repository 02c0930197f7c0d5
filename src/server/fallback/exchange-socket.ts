/** A connection of HTTP/1.1 in memory, by which a server of node:http serves one exchange of any HTTP version. */
import type { X509Certificate } from "node:crypto";
import { Socket } from "node:net";
import { EMPTY_BYTES, type Exchange, type Peer } from "../http/exchange.ts";
import type { Budget } from "../limits/budget.ts";
import { type FallbackContext, logError } from "./context.ts";
import { RequestBody } from "./request-body.ts";
import { ResponseParser } from "./response-parser.ts";

/** The context that the sockets of one fallback share. */
export interface SocketContext extends FallbackContext {
  /** The budget for response bytes that wait in the sockets, because their listeners ignore backpressure. */
  readonly waiting: Budget;
}

type WriteCallback = (error?: Error | null) => void;

/**
 * The server reads the request from this socket, and writes the response to it. While the client does not read the
 * response, or the listener does not read the request, the streams of Node stop at their water marks.
 */
export class ExchangeSocket extends Socket {
  readonly #exchange: Exchange;
  readonly #context: SocketContext;
  readonly #done: () => void;
  readonly #response: ResponseParser;
  /** The head of the request, which the server has not read yet. */
  #head: string | undefined;
  /** The body of the request. Undefined if the request has none, and after its end. */
  #body: RequestBody | undefined;
  readonly #isChunked: boolean;
  #isReading = false;
  /** The response bytes in the buffer of this socket, as far as they are reserved in the budget. */
  #waitingBytes = 0;
  /** True if the head of the response was sent without the whole body. */
  #isStarted = false;
  /** True if the exchange is finished. */
  #isFinished = false;
  #isCancelled = false;
  /** Resolves when the listener has stopped. Undefined if the listener does not tell. */
  listening: Promise<unknown> | undefined;

  /**
   * `head` is the head of the request in HTTP/1.1, and the body that follows is chunked if `isChunked` is true. Calls `done`
   * once, when the socket is closed and the listener has stopped.
   */
  constructor(exchange: Exchange, head: string, isChunked: boolean, context: SocketContext, done: () => void) {
    super({ allowHalfOpen: true });
    this.#exchange = exchange;
    this.#context = context;
    this.#done = done;
    this.#response = new ResponseParser(exchange.request.method);
    this.#head = head;
    this.#isChunked = isChunked;
    if (exchange.hasBody) this.#body = new RequestBody(exchange, { ...context, onSlow: () => this.refuse(408) });
    exchange.onCancelled = () => {
      this.#isCancelled = true;
      this.destroy();
    };
  }

  static {
    // TypeScript does not permit accessors in place of the properties of Socket.
    const getters: Record<string, (this: ExchangeSocket) => unknown> = {
      remoteAddress() {
        return this.#peer.address;
      },
      remotePort() {
        return this.#peer.port;
      },
      remoteFamily() {
        const { address } = this.#peer;
        return address && (address.includes(":") ? "IPv6" : "IPv4");
      },
    };
    for (const [name, get] of Object.entries(getters)) Object.defineProperty(ExchangeSocket.prototype, name, { get });
  }

  /** The peer of the connection, as over HTTP/1.1: a framework has its own rules for X-Forwarded-For. */
  get #peer(): Peer {
    const { peer } = this.#exchange;
    return peer.connection ?? peer;
  }

  protected get exchange(): Exchange {
    return this.#exchange;
  }

  /** Ends the exchange because its request cannot be served. Responds with `status` if the response has not begun. */
  refuse(status: number): void {
    if (this.destroyed) return;
    try {
      if (!this.#isStarted) {
        this.#exchange.respond({ status, fields: [] }, EMPTY_BYTES);
        this.#isFinished = true;
      }
    } catch {
      // The client has just left. `destroy` resets the exchange.
    }
    this.destroy();
  }

  // The request, which the server reads.

  override _read(): void {
    const head = this.#head;
    this.#refreshTimeout();
    if (head !== undefined) {
      this.#head = undefined;
      this.push(head, "latin1");
    } else if (this.#body !== undefined && !this.#isReading) void this.#readPiece(this.#body);
  }

  async #readPiece(body: RequestBody): Promise<void> {
    this.#isReading = true;
    try {
      const piece = await body.next();
      if (!this.destroyed) this.#pushPiece(piece);
    } catch {
      this.destroy(); // the exchange is cancelled
    }
    this.#isReading = false;
  }

  /** Passes a piece of the body, or its end if `piece` is undefined, to the server. */
  #pushPiece(piece: Uint8Array | undefined): void {
    this.#refreshTimeout();
    if (piece === undefined) this.#body = undefined;
    if (!this.#isChunked || piece?.length === 0) {
      if (piece !== undefined) this.push(piece);
    } else if (piece === undefined) this.push("0\r\n\r\n", "latin1");
    else {
      this.push(`${piece.length.toString(16)}\r\n`, "latin1");
      this.push(piece);
      this.push("\r\n", "latin1");
    }
  }

  // The response, which the server writes.

  override write(...args: unknown[]): boolean {
    const isAccepted = (super.write as (...args: unknown[]) => boolean)(...args);
    if (!isAccepted) this.#reserveWaiting(this.writableLength);
    return isAccepted;
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: WriteCallback): void {
    this.#receive([{ chunk, encoding }], callback);
  }

  override _writev(chunks: { chunk: Buffer | string; encoding: BufferEncoding }[], callback: WriteCallback): void {
    this.#receive(chunks, callback);
  }

  override _final(callback: WriteCallback): void {
    if (this.#isFinished) callback();
    else this.#sendParsed(() => this.#response.end(), callback);
  }

  #receive(chunks: { chunk: Buffer | string; encoding: BufferEncoding }[], callback: WriteCallback): void {
    this.#refreshTimeout();
    this.#sendParsed((pieces) => {
      for (const { chunk, encoding } of chunks) {
        // Buffers are copied, because the listener may change them after the callback.
        this.#response.parse(typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk), pieces);
      }
    }, callback);
  }

  /** Sends the pieces of the body that `parse` adds. Then calls `callback`, or with an error if that is impossible. */
  #sendParsed(parse: (pieces: Uint8Array[]) => void, callback: WriteCallback): void {
    const sent = (): void => {
      callback();
      if (this.#waitingBytes > 0) this.#reserveWaiting(this.writableLength);
    };
    const fail = (error: unknown): void => {
      if (!this.destroyed) logError(this.#context, this.#exchange.request, error);
      callback(error as Error);
    };
    let sending: Promise<void> | undefined;
    try {
      const pieces: Uint8Array[] = [];
      parse(pieces);
      sending = this.#send(pieces);
    } catch (error) {
      fail(error);
      return;
    }
    if (sending === undefined) sent();
    else sending.then(sent, fail);
  }

  /** Changes the reservation to `bytes`. Destroys this socket if the budget would be exceeded. */
  #reserveWaiting(bytes: number): void {
    const { waiting, limits, onLimit } = this.#context;
    if (this.destroyed) return;
    waiting.reserve(bytes - this.#waitingBytes);
    this.#waitingBytes = bytes;
    if (!waiting.isExceeded) return;
    onLimit("queuedBytes", `queued responses of the fallback exceed ${limits.queuedBytes} bytes`);
    this.destroy();
  }

  /** Sends pieces of the body. Returns a promise if the client cannot receive more yet. */
  #send(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    const { head, isComplete, trailers } = this.#response;
    if (head === undefined || this.#isFinished) return undefined;
    const bytes = pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
    if (isComplete && !this.#isStarted) {
      this.#exchange.respond(head, bytes, trailers);
      this.#isFinished = true;
      return undefined;
    }
    if (!this.#isStarted) this.#exchange.start(head);
    // An empty piece sends the head, which HTTP/1.1 keeps back otherwise.
    const sent = bytes.length > 0 || !this.#isStarted ? this.#exchange.write(bytes) : undefined;
    this.#isStarted = true;
    if (!isComplete) return sent;
    if (sent !== undefined) return sent.then(() => this.#end());
    this.#end();
    return undefined;
  }

  #end(): void {
    this.#exchange.end(this.#response.trailers);
    this.#isFinished = true;
  }

  // The end of the connection.

  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.#body?.stop();
    this.#context.waiting.release(this.#waitingBytes);
    super._destroy(error, callback);
    if (!this.#isFinished && !this.#isCancelled) this.#exchange.reset("internal");
    if (this.listening === undefined) this.#stopped();
    else this.listening.finally(() => this.#stopped());
  }

  /** Finishes a cancelled exchange, now that the listener has stopped. */
  #stopped(): void {
    if (this.#isCancelled) this.#exchange.reset();
    this.#done();
  }

  /** Begins the timeout of `setTimeout` again, since the connection is active. */
  #refreshTimeout(): void {
    if (this.timeout) this.setTimeout(this.timeout);
  }
}

/** The connection of a request over TLS, with the members of a TLSSocket that frameworks use. */
export class EncryptedExchangeSocket extends ExchangeSocket {
  readonly encrypted = true;

  get authorized(): boolean {
    return this.exchange.peer.certificate !== undefined;
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    const { certificate } = this.exchange.peer;
    return certificate && new (process.getBuiltinModule("node:crypto").X509Certificate)(certificate.raw);
  }

  getPeerCertificate(): object {
    return this.getPeerX509Certificate()?.toLegacyObject() ?? {};
  }
}
