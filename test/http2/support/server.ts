/** A server on a loopback port, with clients that a test can speak through: node:http2, and raw frames. */
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
import { echo } from "./bench.ts";
import { type Frame, HELLO, inWords, split } from "./wire.ts";

export interface TestServer {
  readonly http2: Http2Server;
  /** The sockets that it was handed and that are open. */
  readonly sockets: ReadonlySet<Socket>;
  readonly port: number;
}

/** The HTTP/2 of a test, over sockets that it hands over; errors takes what was no peer's fault. */
export function createTestHttp2(handler: Handler, changed?: Partial<Limits>, errors: unknown[] = []): Http2Server {
  const limits = { ...DEFAULT_LIMITS, ...changed };
  return new BuiltInHttp2Server({
    handler,
    limits,
    buffered: new Budget(limits.bufferedBytes),
    queued: new QueuedResponses(limits, () => {}),
    onError: (error) => errors.push(error),
    onLimit: () => {},
  });
}

/** Starts one; it ends with the test, which fails where the server made an error of its own. */
export async function startServer(
  t: TestContext,
  handler: Handler = echo,
  changed?: Partial<Limits>,
): Promise<TestServer> {
  const errors: unknown[] = [];
  const engine = createTestHttp2(handler, changed, errors);
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    engine.accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    engine.destroy();
    server.close();
    await once(server, "close");
    assert.deepEqual(errors, []);
  });
  return { http2: engine, sockets, port: (server.address() as AddressInfo).port };
}

/** A client of node:http2, which ends with the test. */
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

export interface Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
}

/** One call; rejects where its stream is reset, or the connection is lost. */
export async function call(
  session: ClientHttp2Session,
  body: Uint8Array | string = "",
  fields: OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = session.request({ ":method": "POST", ":path": "/", ...fields });
  stream.end(body);
  return answerOf(stream);
}

export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
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

/** A peer that says what it is told to. */
export class RawClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Settles when the server has closed. */
  readonly closed: Promise<unknown>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const { frames, rest } = split(Buffer.concat([this.#rest, chunk]));
      this.frames.push(...frames);
      this.#rest = rest;
    });
  }

  /** One that has exchanged SETTINGS, unless it says something else first. */
  static async connect(t: TestContext, { port }: Pick<TestServer, "port">, first: Buffer = HELLO): Promise<RawClient> {
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

  get words(): string[] {
    return this.frames.map(inWords);
  }

  /** Settles when a frame in such words has come. */
  async until(pattern: RegExp): Promise<void> {
    while (!this.words.some((words) => pattern.test(words))) {
      if (this.socket.destroyed) throw new Error(`closed before ${pattern}, after: ${this.words.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Settles after some turns of the event loop. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
