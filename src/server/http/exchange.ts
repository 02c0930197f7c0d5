/** One request and its answer, as every HTTP version gives it and every handler takes it. */

/** The body of a message without one, and of an empty message. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** A header or trailer field: the name in lower case, the value without white space around it. */
export type Field = readonly [name: string, value: string];

/** A request's head. It never changes, and equal heads may share one object. */
export interface RequestHead {
  readonly httpVersion: "1.1" | "2.0";
  readonly scheme: "http" | "https";
  readonly method: string;
  /** Host and port as the client named them, unchecked; empty where it named none. */
  readonly authority: string;
  /** Path and query (RFC 9112, 3.2.1), or "*". */
  readonly path: string;
  /** The fields in the order they came; a name that came twice stands here twice. */
  readonly fields: readonly Field[];
}

/**
 * An answer's head. Equal answers may share one object, frozen with its fields, and equal trailers one frozen array: a
 * wire may keep their encoded form by identity.
 */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly Field[];
}

/**
 * Why an exchange is broken off: its answer is not wanted any more, the server failed, or nothing was begun and it may
 * be tried again.
 */
export type ResetReason = "cancel" | "internal" | "refused";

/** Who is at the other end of a connection: each part is looked up when it is asked for. */
export interface Peer {
  /** Its IP address and port; undefined if the peer is gone, or connected by a Unix domain socket. */
  readonly address: string | undefined;
  readonly port: number | undefined;
  /** What it proved to be; undefined where the server asks for no certificates, or the peer is gone. */
  readonly certificate: PeerCertificate | undefined;
}

/** A certificate that one of the server's authorities vouches for. */
export interface PeerCertificate {
  /** The distinguished name by its attributes' short names, like CN. */
  readonly subject: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Each with its type before it, like "DNS:a.example" or "URI:spiffe://a.example/b" (RFC 5280, 4.2.1.6). */
  readonly alternativeNames: readonly string[];
  /** All of it, in DER. */
  readonly raw: Uint8Array;
}

/**
 * One request under way. The answer is one respond; or one start, any number of writes and one end; or one reset. It is
 * owed even when the exchange was abandoned: it then goes nowhere, and says that the handler has stopped.
 */
export interface Exchange {
  readonly request: RequestHead;
  /** When its head came, in ms of performance.now(), perhaps rounded down to whole ones. */
  readonly startedAt: number;
  readonly peer: Peer;
  /** The request's body in pieces, to be iterated once; it throws when the peer gives up before its end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Set by the handler: called once, if the exchange ends before its answer did; at once, if it has already. */
  onCancelled: (() => void) | undefined;
  /**
   * Takes the whole body, instead of body. Calls done once when the request is whole, or over as soon as it is more
   * than maxBytes, after which body gives what was buffered and then the rest; neither where the peer gives up before,
   * and then no answer is owed. Both may be called before bufferBody returns. bytes may be the wire's own, which
   * never uses them again.
   */
  bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
  ): void;
  /**
   * Takes room for bytes of the request that its handler keeps, where bodies have theirs; false where there is none. What
   * bufferBody delivers has its room until done is called: a handler that is not through with it then takes room again.
   */
  tryReserve(bytes: number): boolean;
  /** Gives back what tryReserve took. */
  release(bytes: number): void;
  /** Sends the whole answer: start, write and end in one. body must not change afterwards. */
  respond(head: ResponseHead, body: Uint8Array, trailers?: readonly Field[]): void;
  /** Sends the answer's head. */
  start(head: ResponseHead): void;
  /**
   * Sends a piece of the answer's body, which must not change afterwards. A promise, where given, settles when the peer
   * can take more, or is gone.
   */
  write(piece: Uint8Array): Promise<void> | undefined;
  /** Ends the answer. What was not read of the request is thrown away. */
  end(trailers?: readonly Field[]): void;
  /** Breaks the exchange off ("cancel" unless told): an answer under way stays without its end. */
  reset(reason?: ResetReason): void;
}

/** Answers exchanges. It never throws. */
export type Handler = (exchange: Exchange) => void;

/** The value of a field, several of one name joined by commas (RFC 9110, 5.2); undefined where there is none. */
export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  let value: string | undefined;
  for (const field of fields) if (field[0] === name) value = value === undefined ? field[1] : `${value}, ${field[1]}`;
  return value;
}

/** Returns a request's path without its query. */
export function pathWithoutQuery(path: string): string {
  const queryAt = path.indexOf("?");
  return queryAt === -1 ? path : path.slice(0, queryAt);
}
