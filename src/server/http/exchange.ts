/** The exchange: one HTTP request and its response. HTTP versions create exchanges, handlers finish them. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** An empty body, or an empty message. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** Bytes that are fewer cost less as one Uint8Array than as OwnedBytes. */
export const MIN_OWNED_BYTES = 1_024;

/**
 * Bytes that are sent as three parts, without joining them, and that are sent only once: the exchange owns `bytes`, and
 * may free their memory as soon as they are sent. `bytes` must be a whole ArrayBuffer, which nothing else uses.
 */
export class OwnedBytes {
  readonly prefix: Uint8Array;
  readonly bytes: Uint8Array;
  readonly suffix: Uint8Array;
  /** The number of bytes in all parts. */
  readonly length: number;

  constructor(prefix: Uint8Array, bytes: Uint8Array, suffix: Uint8Array = EMPTY_BYTES) {
    this.prefix = prefix;
    this.bytes = bytes;
    this.suffix = suffix;
    this.length = prefix.length + bytes.length + suffix.length;
  }
}

/** A body of a response, or a piece of one. */
export type Piece = Uint8Array | OwnedBytes;

/** Returns the bytes of a piece in one array. */
export function joined(piece: Piece): Uint8Array {
  if (!(piece instanceof OwnedBytes)) return piece;
  const { prefix, bytes, suffix } = piece;
  return piece.length === bytes.length ? bytes : Buffer.concat([prefix, bytes, suffix]);
}

/** A header or trailer field. The name is in lower case, and the value has no white space around it. */
export type Field = readonly [name: string, value: string];

/**
 * The head of a request: its request line and its header fields. Immutable, because equal requests may share one
 * object.
 */
export interface RequestHead {
  readonly httpVersion: "1.1" | "2.0";
  readonly scheme: "http" | "https";
  readonly method: string;
  /**
   * Host and optional port from Host, :authority or a target in absolute form, not validated (authority.ts). If the
   * request names no host: "localhost" for HTTP/1.0, otherwise empty.
   */
  readonly authority: string;
  /** Path and query (RFC 9112, 3.2.1), or "*". */
  readonly path: string;
  /** The path and query that the client sent, if a framework has routed the request to another `path`. */
  readonly sentPath?: string;
  /** The fields in the order in which they were received. A repeated name has one entry for each value. */
  readonly fields: readonly Field[];
  /** True if later requests may have the same object. Something that was derived from it may then be kept for them. */
  readonly isShared?: boolean;
  /**
   * Returns what `fieldValue` returns for the fields, but does not create `fields`. Missing if `fields` exist from the
   * beginning. Use `requestField`.
   */
  lookUp?(name: string): string | undefined;
}

/**
 * The head of a response: its status and its header fields. If a head and its array of fields are frozen, HTTP/2 can
 * reuse their encoding when the same head is sent again. The same holds for a frozen array of trailers.
 */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly Field[];
}

/**
 * The reason for a reset, which HTTP/2 sends as an error code. "cancel": the response is not needed any more.
 * "internal": the server failed. "refused": the request was not processed, so the client may retry it.
 */
export type ResetReason = "cancel" | "internal" | "refused";

/** The client of a request, or of a connection. Each property is looked up when it is read. */
export interface Peer {
  /**
   * IP address, which may be that of a client that a trusted proxy has named (`trustedProxies`). Undefined if the client has
   * disconnected, or uses a Unix domain socket.
   */
  readonly address: string | undefined;
  /** TCP port. Undefined if the address is, or if a proxy has named the address alone. */
  readonly port: number | undefined;
  /**
   * The verified client certificate of the connection, which may be that of a proxy. Undefined if the server does not ask for
   * one, or the other side has disconnected.
   */
  readonly certificate: PeerCertificate | undefined;
  /**
   * The peer of the connection, if this is another client: one that a proxy has named for a request.
   *
   * @internal
   */
  readonly connection?: Peer;
}

/** The peer of a connection, which may be a proxy. */
export interface ConnectionPeer extends Peer {
  /** Returns the client of a request. The same object for each call, unless the peer is a trusted proxy. */
  of(request: RequestHead): Peer;
}

/** A client certificate that was issued by one of the server's authorities (`clientCa`). */
export interface PeerCertificate {
  /** The distinguished name of the subject: values by the short names of their attributes, such as CN. */
  readonly subject: Readonly<Record<string, string | readonly string[] | undefined>>;
  /**
   * The subject alternative names with their types, such as "DNS:a.example" or "URI:spiffe://a.example/b" (RFC 5280,
   * 4.2.1.6).
   */
  readonly alternativeNames: readonly string[];
  /** The whole certificate in DER. */
  readonly raw: Uint8Array;
}

/** The objects of node:http for one request. */
export interface NodeMessages {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/**
 * A callback for the cancellation of an exchange, or an object with a method for it. An object of a call costs less than a
 * closure, which V8 also keeps for longer. `status` is the HTTP status that the server responds with in place of the handler,
 * or 503 if the server resets the exchange because memory is used up. Otherwise `status` is undefined.
 */
export type CancelListener = ((status?: number) => void) | { onCancelled(status?: number): void };

/** Calls a listener if there is one. */
export function callListener(listener: CancelListener | undefined, status?: number): void {
  if (typeof listener === "function") listener(status);
  else listener?.onCancelled(status);
}

/** Reads a request's body without promises (`Exchange.readBody`). */
export interface BodyReader {
  /** True if the whole body was received and taken. Never true if the exchange is cancelled before that. */
  readonly isComplete: boolean;
  /**
   * Removes and returns all bytes that were received, which the caller owns. The result is empty if none were received.
   * While the caller takes nothing, flow control stops the client. Throws a ConnectError if middleware has lost the body.
   */
  take(): Uint8Array;
}

/**
 * One HTTP request and its response. The handler must finish it exactly once: with `respond`; with `start`, any number
 * of `write`, and `end`; or with `reset`.
 *
 * An exchange is cancelled if it ends before its handler finishes it, for example because the client has disconnected.
 * The handler must finish a cancelled exchange too. Its response is discarded, but the server learns that the handler
 * has stopped. One exception: an exchange that is cancelled while `bufferBody` waits for the body need not be finished.
 */
export interface Exchange {
  readonly request: RequestHead;
  /** Time at which the head was received, in ms of performance.now(). It may be rounded down to whole ms. */
  readonly startedAt: number;
  /** `startedAt`, but exact to the microsecond. Must be read before the handler returns. */
  readonly exactStartedAt: number;
  /** The client of the request. */
  readonly peer: Peer;
  /** True if the request may have a body. Must be read before the body. */
  readonly hasBody: boolean;
  /** The request object of the framework that passed the request to an adapter. Undefined in a server of this project. */
  readonly source?: unknown;
  /**
   * The request's body in pieces, which the reader owns. It can be iterated once. While the reader is slow, flow
   * control stops the client. The iteration throws if the exchange is cancelled before the end of the body.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Returns a reader of the body, as an alternative to `body` and `bufferBody`. Calls `onReadable` whenever bytes arrive
   * or the body is complete, until the exchange ends. The first call of `take` may be needed before that.
   */
  readBody(onReadable: () => void): BodyReader;
  /**
   * A listener that the handler sets. It is called once, when the exchange is cancelled, or immediately if it is set on
   * a cancelled exchange. It may also be called after `reset`.
   */
  onCancelled: CancelListener | undefined;
  /**
   * Buffers the whole body, as an alternative to reading `body`. Calls `done` once with the complete body, or `over`
   * once as soon as the body exceeds `maxBytes`. After `over`, `body` yields the whole body from its first byte. If the
   * exchange is cancelled first, calls neither. Either may be called before `bufferBody` returns. `done` owns `bytes`.
   * `exchange` is the exchange that `bufferBody` was called on, so that a callback needs no closure. `expectedBytes` returns
   * the length of the body that begins with `start`, or 0 if that is unknown. A wrong length only costs memory for a while.
   */
  bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
    expectedBytes?: (start: Uint8Array) => number,
  ): void;
  /**
   * Reserves memory for request bytes that the handler keeps, under the limit `bufferedBytes` and, over HTTP/2,
   * `bufferedBytesPerConnection`. Returns false, and reserves nothing, if a limit would be exceeded. `bufferBody`
   * reserves memory for the body only until it calls `done`: a handler that keeps the body longer must reserve it again.
   */
  tryReserve(bytes: number): boolean;
  /** Releases memory that `tryReserve` has reserved. */
  release(bytes: number): void;
  /**
   * Sends a complete response. `body` must not change afterwards. The response may be held until the request is
   * complete (early-response.ts). Throws an Error if a field cannot be sent; the handler must then call `reset`.
   */
  respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void;
  /**
   * Sends the head of a response whose body is sent by `write`. HTTP/1.1 may send it with the first piece. Throws like
   * `respond`.
   */
  start(head: ResponseHead): void;
  /**
   * Sends a piece of the response's body, which must not change afterwards. Returns undefined if more can be written
   * immediately. Otherwise returns a promise that resolves when the client can receive more, or has disconnected. A
   * large message costs least as OwnedBytes, with the prefix of its envelope. Small ones cost least joined in one piece.
   */
  write(piece: Piece): Promise<void> | undefined;
  /** Ends the response that `start` began. The rest of the request is discarded. Throws like `respond`. */
  end(trailers?: readonly Field[]): void;
  /** Ends the exchange without a complete response. The default reason is "cancel". */
  reset(reason?: ResetReason): void;
  /**
   * Returns the objects that node:http made for the request. The caller then finishes `res` as a listener of node:http
   * does, and must not use any other member of the exchange. Calls `onClosed` once, when the response is complete or the
   * client has left. Returns undefined, and changes nothing, over HTTP/2. Missing if node:http did not receive the request,
   * or if an ExchangeWrapper changes the response.
   */
  takeNodeMessages?(onClosed: () => void): NodeMessages | undefined;
}

/**
 * Finishes an exchange, now or later. Called once for each request, as soon as its head is received. Must not throw.
 */
export type Handler = (exchange: Exchange) => void;

/** Returns the value of a field, or undefined. Several values of one name are joined by commas (RFC 9110, 5.2). */
export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  let value: string | undefined;
  for (const field of fields) if (field[0] === name) value = value === undefined ? field[1] : `${value}, ${field[1]}`;
  return value;
}

/** Returns the value of a request's field, as `fieldValue` does. */
export function requestField(head: RequestHead, name: string): string | undefined {
  return head.lookUp === undefined ? fieldValue(head.fields, name) : head.lookUp(name);
}

/** Returns a request's path without its query. */
export function pathWithoutQuery(path: string): string {
  const queryAt = path.indexOf("?");
  return queryAt === -1 ? path : path.slice(0, queryAt);
}
