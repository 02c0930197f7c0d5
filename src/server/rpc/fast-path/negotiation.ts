/** What a request's head says of a unary call: worked out once for each head, and equal heads are often one. */
import type { Message } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Compression, compressionNegotiate, type Serialization } from "@connectrpc/connect/protocol";
import * as connectProtocol from "@connectrpc/connect/protocol-connect";
import * as grpcProtocol from "@connectrpc/connect/protocol-grpc";
import * as grpcWebProtocol from "@connectrpc/connect/protocol-grpc-web";
import { fieldValue, type RequestHead } from "../../http/exchange.ts";
import { connect } from "./connect.ts";
import { grpc } from "./grpc.ts";
import { grpcWeb } from "./grpc-web.ts";
import type { UnaryMethod } from "./methods.ts";
import type { Wire } from "./protocol.ts";
import { AnswerHeads } from "./response-heads.ts";

export interface Plan {
  readonly method: UnaryMethod;
  readonly wire: Wire;
  readonly input: Serialization<Message>;
  readonly output: Serialization<Message>;
  /** The message of a GET, which is in its head. */
  readonly message: Uint8Array | undefined;
  readonly timeoutMs: number | undefined;
  /** How a large answer is compressed. */
  readonly compression: Compression | null;
  readonly heads: AnswerHeads;
  /** The head's fields, once a handler asked for them: each call gets a copy, which is faster than to make it of fields. */
  requestHeader: Headers | undefined;
  /** The URL of the request; undefined until a handler or an interceptor reads it. */
  url: string | undefined;
}

/** A protocol in one of its codecs. */
interface Format {
  readonly wire: Wire;
  readonly binary: boolean;
  readonly contentType: string;
}

const GRPC_PROTO: Format = { wire: grpc, binary: true, contentType: grpcProtocol.contentTypeProto };
const GRPC_JSON: Format = { wire: grpc, binary: false, contentType: grpcProtocol.contentTypeJson };
const WEB_PROTO: Format = { wire: grpcWeb, binary: true, contentType: grpcWebProtocol.contentTypeProto };
const WEB_JSON: Format = { wire: grpcWeb, binary: false, contentType: grpcWebProtocol.contentTypeJson };
const CONNECT_PROTO: Format = { wire: connect, binary: true, contentType: connectProtocol.contentTypeUnaryProto };
const CONNECT_JSON: Format = { wire: connect, binary: false, contentType: connectProtocol.contentTypeUnaryJson };

/** By a POST's content type, in the spellings that clients send. */
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
/** The version of Connect that a request may name, and a method may require it to. */
const VERSION = "1";
const VERSION_FIELD = "connect-protocol-version";
/** By a GET's encoding parameter. */
const BY_ENCODING = new Map<string | null, Format>([
  ["proto", CONNECT_PROTO],
  ["json", CONNECT_JSON],
]);

/** The plans of one server's heads. */
export class Plans {
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #plans = new WeakMap<RequestHead, Plan | null>();
  readonly #heads = new Map<string, AnswerHeads>();

  constructor(methods: ReadonlyMap<string, UnaryMethod>) {
    this.#methods = methods;
  }

  /** The plan of a call; null where the head has anything that is not as it is in nearly all valid calls. */
  of(head: RequestHead): Plan | null {
    let plan = this.#plans.get(head);
    if (plan === undefined) {
      plan = head.method === "POST" ? this.#ofPost(head) : head.method === "GET" ? this.#ofGet(head) : null;
      this.#plans.set(head, plan);
    }
    return plan;
  }

  #ofPost(head: RequestHead): Plan | null {
    const method = this.#methods.get(head.path);
    const format = BY_CONTENT_TYPE.get(fieldValue(head.fields, "content-type"));
    if (method === undefined || format === undefined) return null;
    const version = method.requireConnectProtocolHeader ? fieldValue(head.fields, VERSION_FIELD) : VERSION;
    if (version !== VERSION && format.wire === connect) return null;
    const encoding = fieldValue(head.fields, format.wire.encodingField);
    return encoding === undefined || encoding === "identity" ? this.#plan(head, method, format) : null;
  }

  #ofGet(head: RequestHead): Plan | null {
    const mark = head.path.indexOf("?");
    const method = mark < 0 ? undefined : this.#methods.get(head.path.slice(0, mark));
    if (method === undefined || !method.hasNoSideEffects) return null;
    if (fieldValue(head.fields, "content-type") !== undefined) return null; // a GET has none
    const parameters = new URLSearchParams(head.path.slice(mark + 1));
    if (method.requireConnectProtocolHeader && parameters.get("connect") !== `v${VERSION}`) return null;
    const format = BY_ENCODING.get(parameters.get("encoding"));
    const message = messageOf(parameters);
    return format === undefined || message === undefined ? null : this.#plan(head, method, format, message);
  }

  #plan({ fields }: RequestHead, method: UnaryMethod, format: Format, message?: Uint8Array): Plan | null {
    const { wire, binary } = format;
    if (!method.protocolNames.includes(wire.protocolName)) return null;
    const { timeoutMs, error } = wire.parseTimeout(fieldValue(fields, wire.timeoutField) ?? null, method.maxTimeoutMs);
    if (error !== undefined) return null;
    const accepted = fieldValue(fields, wire.acceptEncodingField) ?? null;
    const { response: compression } = compressionNegotiate(method.acceptCompression, null, accepted, "");
    return {
      method,
      wire,
      input: method.serialization.getI(binary),
      output: method.serialization.getO(binary),
      message,
      timeoutMs,
      compression,
      heads: this.#answerHeads(format, compression),
      requestHeader: undefined,
      url: undefined,
    };
  }

  #answerHeads({ contentType, wire }: Format, compression: Compression | null): AnswerHeads {
    const key = `${contentType} ${compression?.name}`;
    let heads = this.#heads.get(key);
    if (heads === undefined) {
      heads = new AnswerHeads({ "content-type": contentType, ...(compression && wire.announce(compression.name)) });
      this.#heads.set(key, heads);
    }
    return heads;
  }
}

/** The message in a GET's query, uncompressed; undefined where there is none, or not as it should be. */
function messageOf(parameters: URLSearchParams): Uint8Array | undefined {
  const message = parameters.get("message");
  if (message === null || parameters.has("compression")) return undefined;
  // Bytes that are no UTF-8 are lost in a query: Connect's handlers refuse them.
  if (parameters.get("base64") !== "1") return message.includes("\ufffd") ? undefined : Buffer.from(message);
  try {
    return base64Decode(message);
  } catch {
    return undefined; // Connect's handler decodes it once more, and says what is wrong
  }
}
