/** The exchange over a request that an adapter got from a server of Node's or from a framework. */
import { AsyncResource } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Exchange, Field, Piece, RequestHead, ResponseHead } from "../http/exchange.ts";
import type { NodeConnection } from "../node-http/connection.ts";
import { NodeExchange } from "../node-http/exchange.ts";

/** A request as an adapter received it. */
export interface ReceivedRequest {
  /** The request, of node:http or node:http2. */
  readonly req: IncomingMessage;
  /** The response to it. Middleware may have set headers already. */
  readonly res: ServerResponse;
  /** The request object of the framework, which `contextValues` gets. */
  readonly source: unknown;
  /** The body as earlier middleware has parsed it. Undefined or null if the body was not parsed. */
  readonly parsedBody: unknown;
  /** The path and query to which the framework has routed the request, if they differ from `req.url`. */
  readonly path?: string | undefined;
  /** The reply of a framework that keeps response headers apart from `res`. */
  readonly reply?: FrameworkReply;
}

/** A reply with headers that are not in Node's response. */
export interface FrameworkReply {
  getHeaders(): Readonly<Record<string, number | string | string[] | undefined>>;
}

export class AdapterExchange extends NodeExchange {
  readonly source: unknown;
  /** Node emits the events of a request outside the AsyncLocalStorage that earlier middleware has set for it. */
  readonly #scope = new AsyncResource("RPC");

  readonly #received: ReceivedRequest;

  constructor(head: RequestHead, received: ReceivedRequest, connection: NodeConnection) {
    super(head, received.req, received.res, connection);
    this.source = received.source;
    this.#received = received;
  }

  override respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    this.#copyHeaders();
    super.respond(head, body, trailers);
  }

  override start(head: ResponseHead): void {
    this.#copyHeaders();
    super.start(head);
  }

  override write(piece: Piece): Promise<void> | undefined {
    const written = super.write(piece);
    // The middleware compression holds the pieces of a stream until they are flushed. Connect's adapters flush them, too.
    const { res }: { readonly res: ServerResponse & { flush?: () => void } } = this.#received;
    if (res.flush === undefined) return written;
    if (written !== undefined) return written.then(() => res.flush?.());
    res.flush();
    return undefined;
  }

  /** Copies the headers of the framework's reply to Node's response. The fields of the RPC's response replace them. */
  #copyHeaders(): void {
    const { res, reply } = this.#received;
    if (reply === undefined || res.headersSent) return;
    const headers = reply.getHeaders();
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined) res.setHeader(name, value);
    }
  }

  override bodyBuffered(body: Uint8Array, done: (bytes: Uint8Array, exchange: Exchange) => void): void {
    this.#scope.runInAsyncScope(done, undefined, body, this);
  }

  override bodyTooLarge(over: (exchange: Exchange) => void): void {
    this.#scope.runInAsyncScope(over, undefined, this);
  }
}
