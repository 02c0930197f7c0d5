/** Sends one HTTP request over either version, without headers that the test did not give. */
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import { AUTHORITY } from "./certificates.ts";
import { turns } from "./raw.ts";

export const HTTP_VERSIONS = ["HTTP/1.1", "HTTP/2"] as const;
export type HttpVersion = (typeof HTTP_VERSIONS)[number];

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Several pieces are written one after the other, each in its own turn of the event loop. */
  readonly body?: Uint8Array | string | readonly Uint8Array[];
}

export interface HttpResponse {
  readonly status: number;
  /** The headers, with names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** The connection of a request: options of TLS, or a socket. */
export interface Over extends SecureContextOptions {
  readonly maxHeaderSize?: number;
  readonly maxHeaderListPairs?: number;
  readonly createConnection?: () => Socket;
}

/**
 * Sends the request to a "host:port" or a URL, on a new connection. Returns the complete response. By default, TLS
 * trusts the authority of the tests.
 */
export function send(
  version: HttpVersion,
  to: string,
  request: HttpRequest,
  over: Over = { ca: AUTHORITY.cert },
): Promise<HttpResponse> {
  const url = to.includes("://") ? to : `http://${to}`;
  return version === "HTTP/2" ? send2(url, request, over) : send1(url, request, over);
}

function send1(
  url: string,
  { method = "POST", path, headers, body }: HttpRequest,
  { createConnection, ...tls }: Over,
): Promise<HttpResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const connection = createConnection === undefined ? { agent: false } : { createConnection };
  const options = { method, path, headers: { ...headers }, ...connection };
  const request = url.startsWith("https:") ? https.request(url, { ...options, ...tls }) : http.request(url, options);
  request.on("error", reject);
  request.on("response", async (response) => {
    try {
      const bytes = Buffer.concat(await response.toArray());
      const { statusCode: status = 0, headers, trailers } = response;
      resolve({ status, headers, trailers, body: bytes });
    } catch (error) {
      reject(error);
    }
  });
  void writeBody(request, body);
  return promise;
}

async function send2(
  url: string,
  { method = "POST", path, headers, body }: HttpRequest,
  over: Over,
): Promise<HttpResponse> {
  const session = http2.connect(url, over);
  try {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    session.on("error", reject);
    const stream = session.request({ ":method": method, ":path": path, ...headers }, { endStream: body === undefined });
    let trailers = {};
    stream.on("trailers", (fields) => {
      trailers = fields;
    });
    if (body !== undefined) void writeBody(stream, body);
    const response = new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
      stream.on("response", resolve);
      stream.on("error", reject);
    });
    const whole = async (): Promise<HttpResponse> => {
      // On an in-memory connection, Node may emit the data before the response.
      const [head, pieces] = await Promise.all([response, stream.toArray()]);
      const { ":status": status, ...rest } = head as Record<string, string> & { ":status": number };
      return { status: Number(status), headers: rest, trailers, body: Buffer.concat(pieces) };
    };
    return await Promise.race([whole(), failed]);
  } finally {
    session.destroy();
  }
}

async function writeBody(stream: Writable, body: HttpRequest["body"]): Promise<void> {
  if (!Array.isArray(body)) {
    stream.end(body);
    return;
  }
  for (const piece of body) {
    stream.write(piece);
    await turns();
  }
  stream.end();
}
