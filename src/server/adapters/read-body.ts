/** Serves requests of which earlier middleware has read the body, such as express.json(). */
import type { IncomingMessage } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { type BodyReader, EMPTY_BYTES, type Exchange, type Field, type RequestHead } from "../http/exchange.ts";
import type { NodeConnection } from "../node-http/connection.ts";
import { AdapterExchange, type ReceivedRequest } from "./exchange.ts";

/** A body that was read before, or the error of a body that is lost. */
export type ReadBody = Uint8Array | ConnectError;

/**
 * Returns undefined if the body of a request can still be read. Otherwise returns the body in `parsedBody`, or an error
 * without one.
 */
export function readBodyOf({ req, parsedBody }: ReceivedRequest): ReadBody | undefined {
  if (!req.readableEnded) return undefined;
  if (parsedBody instanceof Uint8Array) return parsedBody;
  if (!hasBody(req)) return EMPTY_BYTES;
  if (parsedBody === undefined || parsedBody === null || !/^application\/json\b/i.test(contentType(req))) {
    return lostBody();
  }
  // The JSON is parsed a second time, because Connect's handlers and the fast path read bytes.
  return Buffer.from(JSON.stringify(parsedBody));
}

/** An exchange that yields a body that was read before. */
export class ReadBodyExchange extends AdapterExchange {
  readonly #body: ReadBody;

  constructor(head: RequestHead, received: ReceivedRequest, connection: NodeConnection, body: ReadBody) {
    super(body instanceof Uint8Array ? headOf(head, body) : head, received, connection);
    this.#body = body;
  }

  override get body(): AsyncIterable<Uint8Array> {
    return piecesOf(this.#body);
  }

  override readBody(_onReadable: () => void): BodyReader {
    return new KnownBodyReader(this.#body);
  }

  override bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ): void {
    const body = this.#body;
    if (body instanceof Uint8Array && body.length <= maxBytes) done(body, this);
    else over(this);
  }
}

class KnownBodyReader implements BodyReader {
  #body: ReadBody | undefined;

  constructor(body: ReadBody) {
    this.#body = body;
  }

  get isComplete(): boolean {
    return this.#body === undefined;
  }

  take(): Uint8Array {
    const body = this.#body ?? EMPTY_BYTES;
    this.#body = undefined;
    if (!(body instanceof Uint8Array)) throw body;
    return body;
  }
}

async function* piecesOf(body: ReadBody): AsyncIterable<Uint8Array> {
  if (!(body instanceof Uint8Array)) throw body;
  if (body.length > 0) yield body;
}

/** Returns the head of a request with the fields that describe `body`, which the middleware has also decompressed. */
function headOf(head: RequestHead, body: Uint8Array): RequestHead {
  const fields = head.fields
    .filter(([name]) => name !== "content-encoding")
    .map(([name, value]): Field => [name, name === "content-length" ? String(body.length) : value]);
  return { ...head, fields };
}

function lostBody(): ConnectError {
  const message =
    "read the request body: middleware has read it, and left no parsed JSON; put the RPCs before that middleware";
  return new ConnectError(message, Code.Internal);
}

/** True if a request may have had a body. Without a length, HTTP/2 does not tell after the end of the request. */
function hasBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return length === undefined ? httpVersionMajor === 2 || "transfer-encoding" in headers : length !== "0";
}

function contentType({ headers }: IncomingMessage): string {
  return headers["content-type"] ?? "";
}
