/** Starts a server on a loopback port, and connects clients of node:http2 and clients that send raw frames. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Handler } from "../../../src/server/http/exchange.ts";
import type { Http2Server } from "../../../src/server/http/http2-server.ts";
import { BuiltInHttp2Server } from "../../../src/server/http2/server.ts";
import { Budget } from "../../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS, type Limits } from "../../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../../src/server/limits/queued-responses.ts";
import { describeFrame, type Frame, HANDSHAKE, splitFrames } from "./frames.ts";
import { echo } from "./harness.ts";

export interface TestServer {
  readonly http2: Http2Server;
  /** The open sockets that were passed to the server. */
  readonly sockets: ReadonlySet<Socket>;
  readonly port: number;
}

/**
 * Creates an HTTP/2 server for sockets that a test passes to it. Adds errors that are not a peer's fault to `errors`.
 */
export function createTestHttp2(handler: Handler, changed?: Partial<Limits>, errors: unknown[] = []): Http2Server {
  const limits = { ...DEFAULT_LIMITS, ...changed };
  return new BuiltInHttp2Server({
    handler,
    limits,
    buffered: new Budget(limits.bufferedBytes),
    queued: new QueuedResponses(limits, () => {}),
    onError: (error) => errors.push(error),
    onLimit: () => {},
    endExchanges: () => {},
  });
}

/**
 * Starts a server for the time of the test. The test fails if the server reports an error that is not a peer's fault.
 */
export async function startServer(
  t: TestContext,
  handler: Handler = echo,
  changed?: Partial<Limits>,
): Promise<TestServer> {
  const errors: unknown[] = [];
  const http2Server = createTestHttp2(handler, changed, errors);
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    http2Server.accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    http2Server.destroy();
    server.close();
    await once(server, "close");
    assert.deepEqual(errors, []);
  });
  return { http2: http2Server, sockets, port: (server.address() as AddressInfo).port };
}

/** Connects a client of node:http2 for the time of the test. */
export function connect(
  t: TestContext,
  { port }: Pick<TestServer, "port">,
  options: http2.ClientSessionOptions = {},
): ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
}

/** Makes a call. Rejects if its stream is reset or the connection is lost. */
export async function call(
  session: ClientHttp2Session,
  body: Uint8Array | string = "",
  fields: OutgoingHttpHeaders = {},
): Promise<TestResponse> {
  const stream = session.request({ ":method": "POST", ":path": "/", ...fields });
  stream.end(body);
  return responseOf(stream);
}

/** Waits for the complete response of a stream. Rejects if the stream is reset or the connection is lost. */
export async function responseOf(stream: ClientHttp2Stream): Promise<TestResponse> {
  const parts: Buffer[] = [];
  let headers: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders | undefined;
  stream.on("response", (got) => {
    headers = got;
  });
  stream.on("trailers", (got) => {
    trailers = got;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  const [status] = await Promise.all([
    once(stream, "response").then(([got]) => Number(got[":status"])),
    once(stream, "end"),
  ]);
  return { status, headers, body: Buffer.concat(parts), trailers };
}

/** A client that sends the bytes of a test. */
export class RawClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<unknown>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const { frames, rest } = splitFrames(Buffer.concat([this.#rest, chunk]));
      this.frames.push(...frames);
      this.#rest = rest;
    });
  }

  /** Connects and sends `first`, which by default begins the connection. */
  static async connect(
    t: TestContext,
    { port }: Pick<TestServer, "port">,
    first: Buffer = HANDSHAKE,
  ): Promise<RawClient> {
    const socket = net.connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    await once(socket, "connect");
    const client = new RawClient(socket);
    client.send(first);
    return client;
  }

  send(...bytes: Uint8Array[]): boolean {
    return this.socket.writable && this.socket.write(Buffer.concat(bytes));
  }

  /** Descriptions of all frames that were received. */
  get received(): string[] {
    return this.frames.map(describeFrame);
  }

  /** Resolves when a frame whose description matches was received. Rejects if the connection is closed before. */
  async until(pattern: RegExp): Promise<void> {
    while (!this.received.some((frame) => pattern.test(frame))) {
      if (this.socket.destroyed) throw new Error(`closed before ${pattern}, after: ${this.received.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Resolves after some milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
