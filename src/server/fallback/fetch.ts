/** Serves exchanges with a fetch function: makes a Request of the exchange, and sends the Response. */
import { urlOf } from "../http/authority.ts";
import { EMPTY_BYTES, type Exchange, type Field, type ResponseHead } from "../http/exchange.ts";
import { respondText } from "../http/responses.ts";
import { type FallbackContext, logError } from "./context.ts";
import { isConnectionSpecific } from "./fields.ts";
import { RequestBody } from "./request-body.ts";

/** An application that makes a response of a request, as those for Bun, Deno and Cloudflare Workers do. */
export interface FetchHandler {
  /** Returns the response, or a promise of it. If it throws or the promise rejects, the client gets status 500. */
  fetch(request: Request): Response | Promise<Response>;
}

/** A body up to this size that is ready at once is sent with its length. */
const MAX_READY_BYTES = 65_536;

type Reader = ReadableStreamDefaultReader<Uint8Array>;

export class FetchCall {
  readonly #handler: FetchHandler;
  readonly #exchange: Exchange;
  readonly #context: FallbackContext;
  readonly #abort = new AbortController();
  #requestBody: RequestBody | undefined;
  #reader: Reader | undefined;
  #isStarted = false;
  #isFinished = false;

  constructor(handler: FetchHandler, exchange: Exchange, context: FallbackContext) {
    this.#handler = handler;
    this.#exchange = exchange;
    this.#context = context;
  }

  /** Resolves when the response is complete, or when the handler of a cancelled exchange has stopped. */
  async run(): Promise<void> {
    this.#exchange.onCancelled = () => this.#cancel("the client has disconnected");
    try {
      const request = this.#createRequest();
      if (request === undefined) return;
      await this.#send(await this.#handler.fetch(request));
    } catch (error) {
      await turn(); // the error may come from the request's body, shortly before the exchange is cancelled
      if (!this.#abort.signal.aborted) this.#fail(error);
    } finally {
      this.#requestBody?.stop();
      // A cancelled exchange has to be finished too.
      if (!this.#isFinished) this.#exchange.reset();
    }
  }

  /** Returns the request. If it is not valid for the Fetch standard, responds and returns undefined. */
  #createRequest(): Request | undefined {
    const { request, hasBody } = this.#exchange;
    const { method, fields } = request;
    const url = urlOf(request);
    const hasContent = hasBody && method !== "GET" && method !== "HEAD";
    try {
      if (!request.path.startsWith("/")) throw new TypeError("not a path");
      return new Request(url, {
        method,
        headers: fields as [string, string][],
        signal: this.#abort.signal,
        ...(hasContent && { body: this.#createBody(), duplex: "half" }),
      });
    } catch {
      // The Fetch standard forbids the methods TRACE and TRACK.
      this.#refuse(/^TRAC[EK]$/i.test(method) ? 501 : 400);
      return undefined;
    }
  }

  #createBody(): ReadableStream<Uint8Array> {
    const body = new RequestBody(this.#exchange, { ...this.#context, onSlow: () => this.#onSlow() });
    this.#requestBody = body;
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = await body.next();
          if (piece === undefined) controller.close();
          else controller.enqueue(piece);
        },
        cancel: () => body.stop(),
      },
      { highWaterMark: 0 }, // reads nothing before the handler does
    );
  }

  #onSlow(): void {
    this.#cancel("the client sends too slowly");
    if (!this.#isStarted) this.#refuse(408);
  }

  #cancel(reason: string): void {
    this.#abort.abort(new DOMException(reason, "AbortError"));
    this.#requestBody?.stop();
    this.#reader?.cancel(this.#abort.signal.reason).catch(ignore);
  }

  #refuse(status: number): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    try {
      const { STATUS_CODES } = process.getBuiltinModule("node:http");
      respondText(this.#exchange, status, `${STATUS_CODES[status]}\n`);
    } catch {
      this.#exchange.reset("internal");
    }
  }

  #fail(error: unknown): void {
    logError(this.#context, this.#exchange.request, error);
    if (!this.#isStarted) this.#refuse(500);
    else {
      this.#isFinished = true;
      this.#exchange.reset("internal");
    }
    this.#cancel("the response failed");
  }

  async #send(response: Response): Promise<void> {
    checkResponse(response);
    const { status, body } = response;
    if (this.#abort.signal.aborted) {
      await body?.cancel().catch(ignore);
      return;
    }
    const head = headOf(response);
    const hasContent = this.#exchange.request.method !== "HEAD" && ![204, 205, 304].includes(status);
    if (body === null || !hasContent) {
      this.#respond(head, EMPTY_BYTES);
      await body?.cancel().catch(ignore);
      return;
    }
    this.#reader = body.getReader() as Reader;
    await this.#sendBody(head, this.#reader);
  }

  /** Sends a response whose body is ready in this turn of the event loop as a whole, and others piece by piece. */
  async #sendBody(head: ResponseHead, reader: Reader): Promise<void> {
    const nextTurn = turn();
    const ready: Uint8Array[] = [];
    let bytes = 0;
    let next = reader.read();
    while (bytes <= MAX_READY_BYTES) {
      const result = await Promise.race([next, nextTurn]);
      if (result === undefined) break;
      if (result.done) return this.#respond(withLength(head, bytes), Buffer.concat(ready));
      ready.push(checkPiece(result.value));
      bytes += result.value.length;
      next = reader.read();
    }
    await this.#stream(head, ready, reader, next);
  }

  async #stream(head: ResponseHead, ready: readonly Uint8Array[], reader: Reader, next: ReturnType<Reader["read"]>) {
    const length = new BodyLength(head);
    this.#isStarted = true; // before sending: if that fails, the exchange must be reset
    this.#exchange.start(head);
    // An empty piece sends the head, which HTTP/1.1 keeps back otherwise.
    await this.#write(Buffer.concat(ready), length);
    for (let result = await next; !result.done; result = await reader.read()) {
      if (this.#abort.signal.aborted) return;
      await this.#write(checkPiece(result.value), length);
    }
    if (this.#abort.signal.aborted) return;
    length.end();
    this.#exchange.end();
    this.#isFinished = true;
  }

  async #write(piece: Uint8Array, length: BodyLength): Promise<void> {
    length.add(piece.length);
    await this.#exchange.write(piece);
  }

  #respond(head: ResponseHead, body: Uint8Array): void {
    if (this.#isFinished) return;
    this.#isStarted = true;
    this.#exchange.respond(head, body);
    this.#isFinished = true;
  }
}

/** Throws TypeError unless the handler has returned a response with a final status. */
function checkResponse(response: Response): void {
  const { status, headers, body } = (response ?? {}) as Partial<Response>;
  const isResponse =
    typeof headers?.getSetCookie === "function" && (body === null || typeof body?.getReader === "function");
  if (!isResponse) throw new TypeError("fetch must return a Response");
  if (status === undefined || status < 200 || status > 599) throw new TypeError(`status ${status} cannot be sent`);
}

function checkPiece(piece: unknown): Uint8Array {
  if (!(piece instanceof Uint8Array)) throw new TypeError("a piece of the response's body is not a Uint8Array");
  return piece;
}

/** Returns the head of a response. The iterator of Headers yields each set-cookie field, and joins other repeated fields. */
function headOf({ status, headers }: Response): ResponseHead {
  const fields: Field[] = [];
  for (const field of headers) if (!isConnectionSpecific(field[0])) fields.push(field);
  return { status, fields };
}

function withLength({ status, fields }: ResponseHead, bytes: number): ResponseHead {
  const others = fields.filter(([name]) => name !== "content-length");
  return { status, fields: [...others, ["content-length", String(bytes)]] };
}

/** Compares the length of a body with content-length. Another length would confuse the client about the next response. */
class BodyLength {
  readonly #expected: number | undefined;
  #bytes = 0;

  constructor({ fields }: ResponseHead) {
    const length = fields.find(([name]) => name === "content-length")?.[1];
    this.#expected = length === undefined ? undefined : Number(length);
  }

  /** Throws Error if the body becomes too long. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#expected !== undefined && !(this.#bytes <= this.#expected)) this.#fail();
  }

  /** Throws Error if the body is too short. */
  end(): void {
    if (this.#expected !== undefined && this.#bytes !== this.#expected) this.#fail();
  }

  #fail(): never {
    throw new Error(`the body has ${this.#bytes} bytes or more, but content-length is ${this.#expected}`);
  }
}

/** Resolves in the next turn of the event loop. */
function turn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}

function ignore(): void {}
