/** The exchange of an observed call of Connect's handlers. Reads the code of the call from the response. */
import { Code } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { codeFromHttpStatus, codeFromString } from "@connectrpc/connect/protocol-connect";
import {
  callListener,
  EMPTY_BYTES,
  type Exchange,
  type Field,
  fieldValue,
  joined,
  type Piece,
  type ResetReason,
  type ResponseHead,
} from "../http/exchange.ts";
import { ExchangeWrapper } from "../http/exchange-wrapper.ts";
import { ENVELOPE_PREFIX_BYTES, envelopeBytes } from "./envelope.ts";
import type { Observation } from "./observation.ts";

const RESET_CODES = {
  cancel: Code.Canceled,
  internal: Code.Internal,
  refused: Code.Unavailable,
} as const satisfies Record<ResetReason, Code>;

export class ObservedExchange extends ExchangeWrapper {
  readonly #observation: Observation;
  #head: ResponseHead | undefined;
  /** The newest piece of the response. The final one is the end of a stream, for gRPC-Web and Connect. */
  #last: Uint8Array = EMPTY_BYTES;

  constructor(inner: Exchange, observation: Observation) {
    super(inner);
    this.#observation = observation;
  }

  override get onCancelled() {
    return super.onCancelled;
  }
  override set onCancelled(listener) {
    super.onCancelled = (status) => {
      callListener(listener, status);
      this.#observation.onCancelled(status);
    };
  }

  override get body(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#counted(super.body[Symbol.asyncIterator]()) };
  }

  override bufferBody(
    maxBytes: number,
    done: (bytes: Uint8Array, exchange: Exchange) => void,
    over: (exchange: Exchange) => void,
    expectedBytes?: (start: Uint8Array) => number,
  ): void {
    const counted = (bytes: Uint8Array, exchange: Exchange): void => {
      this.#observation.requestBytes += bytes.length;
      done(bytes, exchange);
    };
    super.bufferBody(maxBytes, counted, over, expectedBytes);
  }

  override respond(head: ResponseHead, body: Piece, trailers?: readonly Field[]): void {
    super.respond(head, body, trailers);
    this.#observation.responseBytes += body.length;
    this.#observation.end(codeOf(this.#observation.protocolName, head, joined(body), trailers));
  }

  override start(head: ResponseHead): void {
    this.#head = head;
    super.start(head);
  }

  override write(piece: Piece): Promise<void> | undefined {
    this.#observation.responseBytes += piece.length;
    this.#last = joined(piece);
    return super.write(piece);
  }

  override end(trailers?: readonly Field[]): void {
    super.end(trailers);
    this.#observation.end(codeOf(this.#observation.protocolName, this.#head as ResponseHead, this.#last, trailers));
  }

  override reset(reason: ResetReason = "cancel"): void {
    super.reset(reason);
    this.#observation.end(RESET_CODES[reason]);
  }

  /** Counts the pieces of a body. Not an async generator, whose `return` would wait for a pending `next`. */
  #counted(pieces: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
    const count = (result: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (!result.done) this.#observation.requestBytes += result.value.length;
      return result;
    };
    return {
      next: () => pieces.next().then(count),
      ...(pieces.return && { return: (value) => pieces.return?.(value) as never }),
    };
  }
}

/** Returns the code in a response; undefined for success. `body` is the whole body, or its final piece. */
function codeOf(
  protocolName: Observation["protocolName"],
  { status, fields }: ResponseHead,
  body: Uint8Array,
  trailers: readonly Field[] = [],
): Code | undefined {
  const grpcStatus = fieldValue(trailers, "grpc-status") ?? fieldValue(fields, "grpc-status");
  if (grpcStatus !== undefined) return fromGrpcStatus(grpcStatus);
  const contentType = fieldValue(fields, "content-type") ?? "";
  const isEnveloped = contentType.startsWith("application/grpc-web") || contentType.startsWith("application/connect+");
  if (status === 200 && !isEnveloped) return protocolName === "connect" ? undefined : Code.Unknown;
  if (contentType !== "application/json" && !isEnveloped) return codeFromHttpStatus(status);
  try {
    if (!isEnveloped) {
      const coding = fieldValue(fields, "content-encoding");
      return fromErrorJson(JSON.parse(decompressed(body, coding).toString()));
    }
    const end = lastEnvelope(body);
    const coding =
      (end[0] as number) & compressedFlag
        ? (fieldValue(fields, "grpc-encoding") ?? fieldValue(fields, "connect-content-encoding"))
        : undefined;
    const text = decompressed(end.subarray(ENVELOPE_PREFIX_BYTES), coding).toString();
    if (protocolName === "connect") return fromErrorJson(JSON.parse(text).error);
    return fromGrpcStatus(/^grpc-status: *(\d+)/im.exec(text)?.[1]);
  } catch {
    return Code.Unknown; // the application compresses responses by an algorithm of its own
  }
}

function fromGrpcStatus(status: string | undefined): Code | undefined {
  if (status === undefined) return Code.Unknown;
  return status === "0" ? undefined : (Number(status) as Code);
}

/** Returns the code of Connect's error object. Returns undefined if `error` is undefined. */
function fromErrorJson(error: { readonly code?: unknown } | undefined): Code | undefined {
  if (error === undefined) return undefined;
  return codeFromString(String(error.code)) ?? Code.Unknown;
}

/** Returns the last envelope of a body. */
function lastEnvelope(body: Uint8Array): Uint8Array {
  let at = 0;
  for (;;) {
    const length = envelopeBytes(body, at);
    if (length === 0 || at + length >= body.length) return body.subarray(at);
    at += length;
  }
}

/** Decompresses bytes of a response. Throws for an algorithm of the application. */
function decompressed(bytes: Uint8Array, coding: string | undefined): Buffer {
  if (coding === undefined) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { brotliDecompressSync, gunzipSync } = process.getBuiltinModule("node:zlib");
  if (coding === "br") return brotliDecompressSync(bytes);
  return gunzipSync(bytes);
}
