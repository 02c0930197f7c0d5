/**
 * The protocol matrix: every protocol and codec over every HTTP version. Requests and responses are encoded by hand.
 */
import type { TlsCredentials } from "../../src/server/listener/tls-credentials.ts";
import { SERVER } from "./certificates.ts";
import { HTTP_VERSIONS, type HttpRequest, type HttpResponse, type HttpVersion, send } from "./http.ts";

const PROTOCOLS = ["gRPC", "gRPC-Web", "Connect", "Connect GET"] as const;
const CODECS = ["proto", "json"] as const;

export interface Cell {
  readonly name: string;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly codec: (typeof CODECS)[number];
  readonly http: HttpVersion;
  /** The TLS credentials of the server; undefined without TLS. */
  readonly tls?: TlsCredentials;
}

/**
 * Every cell without TLS. gRPC does not define HTTP/1.1, but the server responds to it as Connect's own handlers do.
 */
export const CELLS: readonly Cell[] = HTTP_VERSIONS.flatMap((http) =>
  PROTOCOLS.flatMap((protocol) =>
    CODECS.map((codec) => ({ name: `${protocol} ${codec} over ${http}`, protocol, codec, http })),
  ),
);

/** Every cell over TLS. */
export const TLS_CELLS: readonly Cell[] = CELLS.map((cell) => ({
  ...cell,
  name: `${cell.name} and TLS`,
  tls: SERVER,
}));

export const isGrpc = ({ protocol }: Cell): boolean => protocol === "gRPC" || protocol === "gRPC-Web";

/** A call: its encoded message, with the metadata in the form of the protocol. */
export interface Call {
  readonly path: string;
  /** The message, encoded and compressed; undefined to send none. */
  readonly message: Uint8Array | undefined;
  readonly encoding?: string | undefined;
  readonly acceptEncoding?: string | undefined;
  readonly timeout?: string | undefined;
}

/** The outcome of a call, as its protocol encodes it. */
export interface Outcome {
  readonly status: number;
  /** "ok" or a code in Connect's spelling; undefined if the response is HTTP without an RPC status. */
  readonly code: string | undefined;
  /** The message of the error; empty without an error. */
  readonly message: string;
  /** The encoded message, as it was received: a compressed one is not decompressed. */
  readonly body: Buffer;
  readonly response: HttpResponse;
}

/**
 * Makes the call to `to`, a "host:port" or a URL, in the protocol of the cell. `change` may change the HTTP request.
 */
export async function callIn(
  cell: Cell,
  to: string,
  call: Call,
  change: (request: HttpRequest) => HttpRequest = (request) => request,
): Promise<Outcome> {
  return readResponse(cell, await send(cell.http, to, change(makeRequest(cell, call))));
}

/** Returns the HTTP request of a call in the protocol of the cell. */
export function makeRequest({ protocol, codec }: Cell, call: Call): HttpRequest {
  const { path, message, encoding, acceptEncoding, timeout } = call;
  switch (protocol) {
    case "gRPC":
    case "gRPC-Web":
      return {
        path,
        headers: present({
          "content-type": `application/${protocol === "gRPC" ? "grpc" : "grpc-web"}+${codec}`,
          te: protocol === "gRPC" ? "trailers" : undefined,
          "grpc-encoding": encoding,
          "grpc-accept-encoding": acceptEncoding,
          "grpc-timeout": timeout,
        }),
        body: message === undefined ? "" : envelope(message, encoding === undefined ? 0 : 1),
      };
    case "Connect":
      return {
        path,
        headers: present({
          "content-type": `application/${codec}`,
          "connect-protocol-version": "1",
          "content-encoding": encoding,
          "accept-encoding": acceptEncoding,
          "connect-timeout-ms": timeout,
        }),
        body: message ?? "",
      };
    case "Connect GET": {
      const query = new URLSearchParams({ connect: "v1", encoding: codec });
      if (message !== undefined) {
        query.set("base64", "1");
        query.set("message", Buffer.from(message).toString("base64url"));
      }
      if (encoding !== undefined) query.set("compression", encoding);
      return {
        method: "GET",
        path: `${path}?${query}`,
        headers: present({ "accept-encoding": acceptEncoding, "connect-timeout-ms": timeout }),
      };
    }
  }
}

/** Returns the message with gRPC's prefix of five bytes: flags and length. */
export function envelope(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Returns the outcome that a response has in the protocol of the cell. */
export function readResponse(cell: Cell, response: HttpResponse): Outcome {
  const { status, headers, trailers, body } = response;
  const { "content-type": contentType = "" } = headers;
  if (cell.protocol === "gRPC") {
    return grpcOutcome(response, { ...headers, ...trailers }, body.subarray(5));
  }
  if (cell.protocol === "gRPC-Web") {
    const length = body.length > 0 && body.readUInt8() < 0x80 ? 5 + body.readUInt32BE(1) : 0;
    const lines = body.toString("latin1", length + 5).split("\r\n");
    const inBody = Object.fromEntries(lines.filter(Boolean).map((line) => line.split(/: ?/, 2)));
    return grpcOutcome(response, { ...headers, ...inBody }, body.subarray(5, length));
  }
  if (status === 200) return { status, code: "ok", message: "", body, response };
  if (contentType !== "application/json") return { status, code: undefined, message: "", body, response };
  const { code, message = "" } = JSON.parse(body.toString());
  return { status, code, message, body: Buffer.alloc(0), response };
}

function grpcOutcome(response: HttpResponse, fields: HttpResponse["headers"], body: Buffer): Outcome {
  const { "grpc-status": status, "grpc-message": message = "" } = fields as Record<string, string>;
  const code = status === undefined ? undefined : GRPC_CODES[Number(status)];
  return { status: response.status, code, message: decodeURIComponent(message), body, response };
}

/** The codes by their numbers (gRPC, statuscodes.md). */
const GRPC_CODES = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

export function present(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
