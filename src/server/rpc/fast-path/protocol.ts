/**
 * The types that the files of the fast path share. A protocol, a negotiation and a call refer to each other, so they
 * are declared together.
 */
import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Compression, Serialization } from "@connectrpc/connect/protocol";
import type { Exchange, Field, Piece, ResponseHead } from "../../http/exchange.ts";
import type { Method, StreamMethod, UnaryMethod } from "./methods.ts";
import type { ResponseHeads } from "./response-heads.ts";

/** A protocol: the names of its headers, and its trailers. */
export interface Protocol {
  /** The `protocolName` of Connect's HandlerContext. */
  readonly name: "grpc" | "grpc-web" | "connect";

  // The names of request headers.
  readonly encodingHeader: string;
  readonly acceptEncodingHeader: string;
  readonly timeoutHeader: string;

  /** Returns the milliseconds of a valid timeout header; NaN if the value is invalid. */
  readonly timeoutMs: (value: string) => number;
  /** The trailers of a successful response, before the handler adds any. */
  readonly okTrailer: readonly Field[];
  /** Returns the response headers that name `compression`, even if the response then stays uncompressed. */
  compressionHeaders(compression: string): Record<string, string>;
}

/** Reads and writes unary calls of one protocol. Implemented by grpc.ts, grpc-web.ts and connect.ts. */
export interface UnaryProtocol extends Protocol {
  /** Returns the message in a whole request body, or undefined if the body is not one uncompressed message. */
  messageIn(body: Uint8Array): Uint8Array | undefined;
  /** Returns the length of a request body that begins with `start`. Returns 0 if that is unknown. */
  bodyBytes(start: Uint8Array): number;
  /**
   * Sends a successful response with an encoded message. Returns a promise if a part of the response is compressed
   * first.
   */
  sendMessage(call: Call, message: Uint8Array): Promise<void> | undefined;
  /** Sends a response with an error. Returns a promise if a part of the response is compressed first. */
  sendError(call: Call, error: ConnectError): Promise<void> | undefined;
}

/** The end of streams of one protocol. Implemented by grpc.ts, grpc-web.ts and connect-stream.ts. */
export interface StreamProtocol extends Protocol {
  /** The flag of the final envelope; undefined if streams end by trailers. */
  readonly endFlag: number | undefined;
  /**
   * Returns the final envelope of a response, or undefined if the response ends by trailers. `error` is undefined after a
   * success. Returns a promise if the envelope is compressed.
   */
  endEnvelope(call: Call, error: ConnectError | undefined): Piece | Promise<Piece> | undefined;
  /** Returns the HTTP trailers of a response. `error` is undefined after a success. */
  endTrailers(call: Call, error: ConnectError | undefined): readonly Field[];
}

/** The result of reading the request head of a call. Calls share negotiations, which therefore never change. */
export interface Negotiation {
  readonly method: Method;
  readonly protocol: Protocol;
  readonly input: Serialization<Message>;
  readonly output: Serialization<Message>;
  /** The compression of response messages of `compressMinBytes` or more; null for none. */
  readonly compression: Compression | null;
  readonly heads: ResponseHeads;
}

export interface UnaryNegotiation extends Negotiation {
  readonly method: UnaryMethod;
  readonly protocol: UnaryProtocol;
  /** The message in the query of a GET; undefined for a POST. A negotiation with a message is not shared. */
  readonly message: Uint8Array | undefined;
}

export interface StreamNegotiation extends Negotiation {
  readonly method: StreamMethod;
  readonly protocol: StreamProtocol;
}

/** The part of a call that its protocol needs. */
export interface Call {
  readonly exchange: Exchange;
  readonly negotiation: Negotiation;
  /** The response headers and trailers, which are created when first read. */
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
  /**
   * `responseHeader` and `responseTrailer`; undefined until something reads them. Undefined means that they are
   * unchanged.
   */
  readonly touchedHeader: Headers | undefined;
  readonly touchedTrailer: Headers | undefined;
  /** Sends a complete response, like `respond` of the exchange. */
  respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void;
}
