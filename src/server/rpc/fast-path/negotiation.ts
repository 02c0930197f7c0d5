/** Negotiates the method, protocol, codec, timeout and compression of a unary call from its request head. */
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import * as connectProtocol from "@connectrpc/connect/protocol-connect";
import * as grpcProtocol from "@connectrpc/connect/protocol-grpc";
import * as grpcWebProtocol from "@connectrpc/connect/protocol-grpc-web";
import { fieldValue, type RequestHead } from "../../http/exchange.ts";
import { connect } from "./connect.ts";
import { grpc } from "./grpc.ts";
import { grpcWeb } from "./grpc-web.ts";
import type { UnaryMethod } from "./methods.ts";
import type { Negotiation, Protocol } from "./protocol.ts";
import { ResponseHeads } from "./response-heads.ts";

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

/**
 * The formats by the content-type of a POST. Calls with other spellings, such as upper case, are left to Connect's
 * handlers.
 */
const BY_CONTENT_TYPE = new Map<string | undefined, Format>([
  ["application/grpc", GRPC_PROTO],
  ["application/grpc+proto", GRPC_PROTO],
  ["application/grpc+json", GRPC_JSON],
  ["application/grpc-web", WEB_PROTO],
  ["application/grpc-web+proto", WEB_PROTO],
  ["application/grpc-web+json", WEB_JSON],
  ["application/proto", CONNECT_PROTO],
  ["application/json", CONNECT_JSON],
]);

/** The formats by the encoding parameter of a GET. */
const BY_ENCODING = new Map<string | null, Format>([
  ["proto", CONNECT_PROTO],
  ["json", CONNECT_JSON],
]);

/** The version of the Connect protocol. Methods may require that requests name it. */
const VERSION = "1";
const VERSION_HEADER = "connect-protocol-version";

/** Negotiates the calls of one server: once for each request head, which HTTP/2 shares between equal requests. */
export class Negotiator {
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #negotiations = new WeakMap<RequestHead, Negotiation | null>();
  readonly #heads = new Map<string, ResponseHeads>();

  constructor(methods: ReadonlyMap<string, UnaryMethod>) {
    this.#methods = methods;
  }

  /** Returns the negotiation of a call, or null if the call must be left to Connect's handlers. */
  negotiate(head: RequestHead): Negotiation | null {
    let negotiation = this.#negotiations.get(head);
    if (negotiation === undefined) {
      negotiation = this.#negotiate(head);
      this.#negotiations.set(head, negotiation);
    }
    return negotiation;
  }

  #negotiate(head: RequestHead): Negotiation | null {
    if (head.method === "POST") return this.#negotiatePost(head);
    return head.method === "GET" ? this.#negotiateGet(head) : null;
  }

  #negotiatePost(head: RequestHead): Negotiation | null {
    const method = this.#methods.get(head.path);
    const format = BY_CONTENT_TYPE.get(fieldValue(head.fields, "content-type"));
    if (method === undefined || format === undefined) return null;
    const version = method.requireConnectProtocolHeader ? fieldValue(head.fields, VERSION_HEADER) : VERSION;
    if (version !== VERSION && format.protocol === connect) return null;
    const encoding = fieldValue(head.fields, format.protocol.encodingHeader);
    return encoding === undefined || encoding === "identity" ? this.#negotiation(head, method, format) : null;
  }

  #negotiateGet(head: RequestHead): Negotiation | null {
    const mark = head.path.indexOf("?");
    const method = mark < 0 ? undefined : this.#methods.get(head.path.slice(0, mark));
    if (method === undefined || !method.hasNoSideEffects) return null;
    if (fieldValue(head.fields, "content-type") !== undefined) return null;
    const parameters = new URLSearchParams(head.path.slice(mark + 1));
    if (method.requireConnectProtocolHeader && parameters.get("connect") !== `v${VERSION}`) return null;
    const format = BY_ENCODING.get(parameters.get("encoding"));
    const message = messageInQuery(parameters);
    return format === undefined || message === undefined ? null : this.#negotiation(head, method, format, message);
  }

  #negotiation({ fields }: RequestHead, method: UnaryMethod, format: Format, message?: Uint8Array): Negotiation | null {
    const { protocol, binary } = format;
    if (!method.protocolNames.includes(protocol.name)) return null;
    const { timeoutMs, error } = protocol.parseTimeout(
      fieldValue(fields, protocol.timeoutHeader) ?? null,
      method.maxTimeoutMs,
    );
    if (error !== undefined) return null;
    const accepted = fieldValue(fields, protocol.acceptEncodingHeader) ?? null;
    const { response: compression } = compressionNegotiate(method.acceptCompression, null, accepted, "");
    return {
      method,
      protocol,
      input: method.serialization.getI(binary),
      output: method.serialization.getO(binary),
      message,
      timeoutMs,
      compression,
      heads: this.#responseHeads(format, compression),
      requestHeader: undefined,
      url: undefined,
    };
  }

  #responseHeads({ contentType, protocol }: Format, compression: Compression | null): ResponseHeads {
    const key = `${contentType} ${compression?.name}`;
    let heads = this.#heads.get(key);
    if (heads === undefined) {
      heads = new ResponseHeads({
        "content-type": contentType,
        ...(compression && protocol.compressionHeaders(compression.name)),
      });
      this.#heads.set(key, heads);
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
