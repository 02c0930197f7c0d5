/** Negotiates the method, protocol, codec and compression of a call from its request head. */
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import * as connectProtocol from "@connectrpc/connect/protocol-connect";
import * as grpcProtocol from "@connectrpc/connect/protocol-grpc";
import * as grpcWebProtocol from "@connectrpc/connect/protocol-grpc-web";
import { type RequestHead, requestField } from "../../http/exchange.ts";
import { connect } from "./connect.ts";
import { connectStream } from "./connect-stream.ts";
import { grpc } from "./grpc.ts";
import { grpcWeb } from "./grpc-web.ts";
import type { StreamMethod, UnaryMethod } from "./methods.ts";
import type { Protocol, StreamNegotiation, UnaryNegotiation } from "./protocol.ts";
import { ResponseHeads } from "./response-heads.ts";

type AnyNegotiation = UnaryNegotiation | StreamNegotiation;

/** A protocol with one of its codecs. */
interface Format {
  readonly protocol: Protocol;
  readonly binary: boolean;
  readonly contentType: string;
}

const GRPC_PROTO: Format = { protocol: grpc, binary: true, contentType: grpcProtocol.contentTypeProto };
const GRPC_JSON: Format = { protocol: grpc, binary: false, contentType: grpcProtocol.contentTypeJson };
const WEB_PROTO: Format = { protocol: grpcWeb, binary: true, contentType: grpcWebProtocol.contentTypeProto };
const WEB_JSON: Format = { protocol: grpcWeb, binary: false, contentType: grpcWebProtocol.contentTypeJson };
const CONNECT_PROTO: Format = { protocol: connect, binary: true, contentType: connectProtocol.contentTypeUnaryProto };
const CONNECT_JSON: Format = { protocol: connect, binary: false, contentType: connectProtocol.contentTypeUnaryJson };
const STREAM_PROTO: Format = {
  protocol: connectStream,
  binary: true,
  contentType: connectProtocol.contentTypeStreamProto,
};
const STREAM_JSON: Format = {
  protocol: connectStream,
  binary: false,
  contentType: connectProtocol.contentTypeStreamJson,
};

type Formats = readonly (readonly [contentType: string, format: Format])[];

/** The formats of gRPC and gRPC-Web by content-type, which unary calls and streams share. */
const GRPC_FORMATS: Formats = [
  ["application/grpc", GRPC_PROTO],
  ["application/grpc+proto", GRPC_PROTO],
  ["application/grpc+json", GRPC_JSON],
  ["application/grpc-web", WEB_PROTO],
  ["application/grpc-web+proto", WEB_PROTO],
  ["application/grpc-web+json", WEB_JSON],
];

/**
 * The formats of each kind of method by the content-type of a POST. Calls with other spellings, such as upper case, are
 * left to Connect's handlers.
 */
const FORMATS: Readonly<Record<"unary" | "stream", Formats>> = {
  unary: [...GRPC_FORMATS, ["application/proto", CONNECT_PROTO], ["application/json", CONNECT_JSON]],
  stream: [...GRPC_FORMATS, ["application/connect+proto", STREAM_PROTO], ["application/connect+json", STREAM_JSON]],
};

/** The content types of a POST with the same format, by the encoding parameter of a GET. */
const BY_ENCODING = new Map<string | null, string>([
  ["proto", CONNECT_PROTO.contentType],
  ["json", CONNECT_JSON.contentType],
]);

/** The version of the Connect protocol. Methods may require that requests name it. */
const VERSION = "1";
const VERSION_HEADER = "connect-protocol-version";

/** The default number of values of accept-encoding for which a MethodFormat keeps its negotiation. */
const MAX_KEPT_VALUES = 8;
/** The length of the longest value of accept-encoding that is kept. */
const MAX_KEPT_LENGTH = 64;

/**
 * Negotiates the calls of one server. A negotiation depends on a few fields, and is found by their values, whichever
 * other fields a request has.
 */
export class Negotiator {
  readonly #methods: ReadonlyMap<string, UnaryMethod | StreamMethod>;
  /** The formats by content-type of each method that was called, by path. */
  readonly #formats = new Map<string, ReadonlyMap<string | undefined, MethodFormat>>();
  readonly #shared: Shared;
  /** The negotiations of shared request heads by POST. Those of a GET have its message, whose bytes handlers may change. */
  readonly #ofShared = new WeakMap<RequestHead, AnyNegotiation | null>();

  /** Each method in one format keeps its negotiations for `maxKeptValues` values of accept-encoding. */
  constructor(methods: ReadonlyMap<string, UnaryMethod | StreamMethod>, maxKeptValues = MAX_KEPT_VALUES) {
    this.#methods = methods;
    this.#shared = { heads: new Map(), maxKeptValues };
  }

  /** Returns the negotiation of a call, or null if the call must be left to Connect's handlers. */
  negotiate(head: RequestHead): AnyNegotiation | null {
    if (head.method === "GET") return this.#negotiateGet(head);
    if (head.method !== "POST") return null;
    if (!head.isShared) return this.#negotiatePost(head);
    let known = this.#ofShared.get(head);
    if (known === undefined) {
      known = this.#negotiatePost(head);
      this.#ofShared.set(head, known);
    }
    return known;
  }

  #negotiatePost(head: RequestHead): AnyNegotiation | null {
    const format = this.#formatsAt(head.path)?.get(requestField(head, "content-type"));
    if (format === undefined || (format.isBidi && head.httpVersion === "1.1")) return null;
    if (format.requiresVersion && requestField(head, VERSION_HEADER) !== VERSION) return null;
    const encoding = requestField(head, format.protocol.encodingHeader);
    return encoding === undefined || encoding === "identity" ? format.negotiate(head) : null;
  }

  #negotiateGet(head: RequestHead): AnyNegotiation | null {
    const { path } = head;
    const mark = path.indexOf("?");
    if (mark < 0 || requestField(head, "content-type") !== undefined) return null;
    const parameters = new URLSearchParams(path.slice(mark + 1));
    const format = this.#formatsAt(path.slice(0, mark))?.get(BY_ENCODING.get(parameters.get("encoding")));
    const message = messageInQuery(parameters);
    if (!format?.allowsGet || message === undefined) return null;
    if (format.requiresVersion && parameters.get("connect") !== `v${VERSION}`) return null;
    return { ...(format.negotiate(head) as UnaryNegotiation), message };
  }

  #formatsAt(path: string): ReadonlyMap<string | undefined, MethodFormat> | undefined {
    const known = this.#formats.get(path);
    const method = known === undefined ? this.#methods.get(path) : undefined;
    if (method === undefined) return known;
    const served = FORMATS[method.kind].filter(([, { protocol }]) => method.protocolNames.includes(protocol.name));
    const formats = new Map<string | undefined, MethodFormat>(
      served.map(([type, format]) => [type, new MethodFormat(method, format, this.#shared)]),
    );
    this.#formats.set(path, formats);
    return formats;
  }
}

/** True if a negotiation is that of a stream. */
export function isStream(negotiation: AnyNegotiation): negotiation is StreamNegotiation {
  return negotiation.method.kind === "stream";
}

/** The parts that all instances of MethodFormat share. */
interface Shared {
  readonly heads: Map<string, ResponseHeads>;
  readonly maxKeptValues: number;
}

/** A method in one format, with its negotiations by the compressions that clients accept. */
class MethodFormat {
  /** True if a request must name the version of the protocol. */
  readonly requiresVersion: boolean;
  /** True if clients may call the method by GET. */
  readonly allowsGet: boolean;
  /** True for bidirectional streams, which need HTTP/2. */
  readonly isBidi: boolean;
  readonly protocol: Protocol;
  readonly #method: UnaryMethod | StreamMethod;
  readonly #format: Format;
  readonly #shared: Shared;
  /** The negotiations by accept-encoding. Cleared when full, because clients may send any number of values. */
  readonly #kept = new Map<string | undefined, AnyNegotiation>();

  constructor(method: UnaryMethod | StreamMethod, format: Format, shared: Shared) {
    this.requiresVersion = method.requireConnectProtocolHeader && format.protocol.name === "connect";
    this.allowsGet = method.kind === "unary" && method.hasNoSideEffects;
    this.isBidi = method.desc.methodKind === "bidi_streaming";
    this.protocol = format.protocol;
    this.#method = method;
    this.#format = format;
    this.#shared = shared;
  }

  /** Returns the negotiation of a request of the method in the format. */
  negotiate(head: RequestHead): AnyNegotiation {
    const accepted = requestField(head, this.protocol.acceptEncodingHeader);
    const kept = this.#kept.get(accepted);
    if (kept !== undefined) return kept;
    const negotiation = this.#negotiate(accepted);
    if (accepted === undefined || accepted.length <= MAX_KEPT_LENGTH) {
      if (this.#kept.size >= this.#shared.maxKeptValues) this.#kept.clear();
      this.#kept.set(accepted, negotiation);
    }
    return negotiation;
  }

  #negotiate(accepted: string | undefined): AnyNegotiation {
    const { protocol, binary } = this.#format;
    const method = this.#method;
    const { response: compression } = compressionNegotiate(method.acceptCompression, null, accepted ?? null, "");
    return {
      method,
      protocol,
      input: method.serialization.getI(binary),
      output: method.serialization.getO(binary),
      message: undefined,
      compression,
      heads: this.#responseHeads(compression),
    } as AnyNegotiation; // FORMATS has only formats that suit the method
  }

  #responseHeads(compression: Compression | null): ResponseHeads {
    const { contentType, protocol } = this.#format;
    const known = this.#shared.heads;
    const key = `${contentType} ${compression?.name}`;
    let heads = known.get(key);
    if (heads === undefined) {
      heads = new ResponseHeads({
        "content-type": contentType,
        ...(compression && protocol.compressionHeaders(compression.name)),
      });
      known.set(key, heads);
    }
    return heads;
  }
}

/**
 * Returns the message in the query of a GET. Returns undefined if the message is missing or invalid, or if the query
 * names a compression.
 */
function messageInQuery(parameters: URLSearchParams): Uint8Array | undefined {
  const message = parameters.get("message");
  if (message === null || parameters.has("compression")) return undefined;
  // URLSearchParams replaces bytes that are not UTF-8 by U+FFFD. The request gate of ErrorMapper rejects such a
  // message.
  if (parameters.get("base64") !== "1") return message.includes("\ufffd") ? undefined : Buffer.from(message);
  try {
    return base64Decode(message);
  } catch {
    return undefined;
  }
}
