/** One request and its answer, as every HTTP version gives it and every handler takes it. */

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

/** An answer's head. Equal answers may share one frozen object: a wire may keep its encoded form by identity. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly Field[];
}

/** One request under way. Its answer is one respond; or one start, any number of writes and one end; or one reset. */
export interface Exchange {
  readonly request: RequestHead;
  /** The request's body in pieces, to be iterated once; it throws when the peer gives up before its end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Set by the handler: called once, if the exchange ends before its answer did. */
  onAbandoned: (() => void) | undefined;
  /** Sends a whole answer without trailers. */
  respond(head: ResponseHead, body: Uint8Array): void;
  /** Sends the answer's head. */
  start(head: ResponseHead): void;
  /** Sends a piece of the answer's body. A promise, where given, settles when the peer can take more or is gone. */
  write(piece: Uint8Array): Promise<void> | undefined;
  /** Ends the answer. What was not read of the request is thrown away. */
  end(trailers?: readonly Field[]): void;
  /** Breaks the exchange off: an answer under way stays without its end. */
  reset(): void;
}

/** Answers exchanges. It never throws. */
export type Handler = (exchange: Exchange) => void;

/** The value of a field, several of one name joined by commas (RFC 9110, 5.2); undefined where there is none. */
export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  let value: string | undefined;
  for (const field of fields) if (field[0] === name) value = value === undefined ? field[1] : `${value}, ${field[1]}`;
  return value;
}
