/** One request and its answer, as every HTTP version gives it and every handler takes it: types only. */

/** A header or trailer field: the name in lower case, the value without white space around it. */
export type Field = readonly [name: string, value: string];

/** A request's head. It never changes, and equal heads may share one object. */
export interface RequestHead {
  readonly httpVersion: "1.1" | "2.0";
  readonly scheme: "http" | "https";
  readonly method: string;
  /** Host and optional port (RFC 3986, 3.2 without userinfo), checked. */
  readonly authority: string;
  /** Path and query as they were sent, beginning with "/"; or "*" (RFC 9110, 7.1). */
  readonly path: string;
  /** All fields in the order they came; a name that came twice stands here twice. */
  readonly fields: readonly Field[];
}

/** An answer's head. Equal answers may share one frozen object: a wire may keep its encoded form by identity. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly Field[];
}

/** One request under way. The answer is one start, any number of writes and one end; or one reset. */
export interface Exchange {
  readonly request: RequestHead;
  /** The request's body in pieces, to be iterated once; it throws when the peer gives up before its end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Set by the handler: called once, if the exchange ends before its answer did. */
  onAbandoned: (() => void) | undefined;
  /** Sends the answer's head. */
  start(head: ResponseHead): void;
  /** Sends a piece of the answer's body. A promise, where given, settles when the peer can take more. */
  write(piece: Uint8Array): Promise<void> | undefined;
  /** Ends the answer. What was not read of the request is thrown away. */
  end(trailers?: readonly Field[]): void;
  /** Breaks the exchange off: an answer under way stays without its end. */
  reset(): void;
}

/** Answers exchanges. It must not throw. */
export type Handler = (exchange: Exchange) => void;
