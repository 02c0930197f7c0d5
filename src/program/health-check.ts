/** Asks a server for its health over gRPC, as grpc_health_probe does. */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";

export interface HealthCheck {
  readonly target: Target;
  /** The address as the user wrote it, for messages. */
  readonly address: string;
  /** `:authority` of HTTP/2. */
  readonly authority: string;
  /** The name of the service; "" for the whole server. */
  readonly service: string;
  /** Undefined for a connection without TLS. */
  readonly tls: TlsOptions | undefined;
  readonly connectTimeoutMs: number;
  readonly rpcTimeoutMs: number;
}

export interface TlsOptions {
  /** The authorities to trust, and the certificate of this client. */
  readonly secureContext: SecureContext;
  /** False to accept every certificate. */
  readonly rejectUnauthorized: boolean;
  /** The name in the server's certificate; by default the host of the target. */
  readonly servername?: string;
}

/** The address of a server: a port of a host, or the path of a Unix domain socket. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** A health check without a status. */
export class HealthCheckError extends Error {
  readonly step: "connect" | "call";

  constructor(step: "connect" | "call", message: string) {
    super(message);
    this.step = step;
  }
}

/** The names of the statuses, by their numbers in grpc/health/v1/health.proto. */
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/** The maximum size of a response. That of health has 7 bytes. */
const MAX_RESPONSE_BYTES = 4_096;

const PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOENT: "no such socket",
  ENOTFOUND: "unknown host name",
  EAI_AGAIN: "the host name cannot be resolved at the moment",
};

/**
 * Returns the status of a service, such as "SERVING". Rejects with HealthCheckError if the server cannot be reached, or does not
 * respond with a status in time.
 */
export async function checkHealth(check: HealthCheck): Promise<string> {
  const session = await connect(check);
  try {
    return await call(session, check);
  } finally {
    session.destroy();
  }
}

/** Resolves when the server's SETTINGS have arrived, so that a port which accepts and never responds is not a server. */
function connect({ target, address, tls, connectTimeoutMs }: HealthCheck): Promise<ClientHttp2Session> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  const socket = openSocket(target, tls);
  const fail = (problem: string): void => {
    clearTimeout(timer);
    socket.destroy();
    reject(new HealthCheckError("connect", `connect to ${address}: ${problem}`));
  };
  const failByError = (error: Error) => fail(sentenceOf(error));
  const timer = setTimeout(fail, connectTimeoutMs, `no HTTP/2 server responded within ${connectTimeoutMs} ms`);
  socket.on("error", failByError);
  const scheme = tls === undefined ? "http" : "https";
  const createConnection = () => socket;
  const session = process.getBuiltinModule("node:http2").connect(`${scheme}://localhost`, { createConnection });
  session.on("error", failByError);
  session.on("close", () => fail("the server closed the connection"));
  session.once("remoteSettings", () => {
    clearTimeout(timer);
    resolve(session);
  });
  return promise;
}

function openSocket(target: Target, tls: TlsOptions | undefined): Socket {
  if (tls === undefined) return process.getBuiltinModule("node:net").connect(target);
  return process.getBuiltinModule("node:tls").connect({ ...tls, ...target, ALPNProtocols: ["h2"] });
}

/** Describes an error of the connection. An error of OpenSSL has a short reason besides its message. */
function sentenceOf({ code = "", reason, message }: NodeJS.ErrnoException & { readonly reason?: string }): string {
  return PROBLEMS[code] ?? reason ?? message;
}

/** Calls Check, and returns the status in its response. */
function call(session: ClientHttp2Session, check: HealthCheck): Promise<string> {
  const { service, address, authority, tls, rpcTimeoutMs } = check;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (problem: string): void => {
    clearTimeout(timer);
    const subject = service === "" ? "the server" : `service ${JSON.stringify(service)}`;
    reject(new HealthCheckError("call", `check ${subject} at ${address}: ${problem}`));
  };
  const timer = setTimeout(fail, rpcTimeoutMs, `no response within ${rpcTimeoutMs} ms`);
  session.on("error", (error) => fail(sentenceOf(error)));
  session.on("close", () => fail("the server closed the connection"));
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    ":scheme": tls === undefined ? "http" : "https",
    ":authority": authority,
    "content-type": "application/grpc",
    "user-agent": "connect-server-probe",
    "grpc-timeout": `${Math.min(rpcTimeoutMs, 99_999_999)}m`,
    te: "trailers",
  });
  stream.on("error", (error) => fail(sentenceOf(error)));
  readResponse(stream, (headers, trailers, body) => {
    clearTimeout(timer);
    const problem = problemOf(headers, trailers);
    if (problem !== undefined) fail(problem);
    else resolve(statusOf(body));
  });
  stream.end(encodeRequest(service));
  return promise;
}

/** Calls `done` once with the response, unless the stream fails. */
function readResponse(
  stream: ClientHttp2Stream,
  done: (headers: IncomingHttpHeaders, trailers: IncomingHttpHeaders, body: Buffer) => void,
): void {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  let body = Buffer.alloc(0);
  stream.on("response", (fields) => {
    headers = fields;
  });
  stream.on("trailers", (fields) => {
    trailers = fields;
  });
  stream.on("data", (chunk: Buffer) => {
    if (body.length < MAX_RESPONSE_BYTES) body = Buffer.concat([body, chunk]);
  });
  stream.on("end", () => done(headers, trailers, body));
}

/** Describes a response without a message, which has `grpc-status` in its headers or trailers. Returns undefined for status 0. */
function problemOf(headers: IncomingHttpHeaders, trailers: IncomingHttpHeaders): string | undefined {
  if (Number(headers[":status"]) !== 200) return `the response has the status ${headers[":status"]} of HTTP`;
  const { "grpc-status": code, "grpc-message": message = "" } = { ...headers, ...trailers };
  if (code === "0") return undefined;
  if (code === undefined) return "the response is not of gRPC";
  if (code === "12") return "the server does not serve grpc.health.v1.Health";
  return `the response has the status ${code} of gRPC: ${decodeMessage(String(message))}`;
}

function decodeMessage(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** Encodes a HealthCheckRequest, of which `service` is field 1, as the only message of a call. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Returns the status of a HealthCheckResponse after the prefix of its message. Status 0 is the default, which is not encoded. */
function statusOf(body: Buffer): string {
  const number = body[5] === 0x08 ? (body[6] ?? 0) : 0;
  return STATUSES[number] ?? String(number);
}
