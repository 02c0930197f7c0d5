/** One plain HTTP request over either version, with nothing added that the test did not ask for. */
import http from "node:http";
import http2 from "node:http2";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { turns } from "./raw.ts";

export const HTTP_VERSIONS = ["HTTP/1.1", "HTTP/2"] as const;
export type HttpVersion = (typeof HTTP_VERSIONS)[number];

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Several are written one after the other, in turns of their own. */
  readonly body?: Uint8Array | string | readonly Uint8Array[];
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Sends the request to host:port and gives the whole response, on a connection of its own or the one given. */
export function send(
  version: HttpVersion,
  authority: string,
  request: HttpRequest,
  socket?: Socket,
): Promise<HttpResponse> {
  const connection = socket === undefined ? {} : { createConnection: () => socket };
  return version === "HTTP/2" ? send2(authority, request, connection) : send1(authority, request, connection);
}

interface Connection {
  readonly createConnection?: () => Socket;
}

function send1(
  authority: string,
  { method = "POST", path, headers, body }: HttpRequest,
  connection: Connection,
): Promise<HttpResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const of = connection.createConnection === undefined ? { agent: false } : connection;
  const request = http.request(`http://${authority}`, { method, path, headers: { ...headers }, ...of });
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
  authority: string,
  { method = "POST", path, headers, body }: HttpRequest,
  connection: Connection,
): Promise<HttpResponse> {
  const session = http2.connect(`http://${authority}`, connection);
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
      const { ":status": status, ...rest } = (await response) as Record<string, string> & { ":status": number };
      const bytes = Buffer.concat(await stream.toArray());
      return { status: Number(status), headers: rest, trailers, body: bytes };
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
