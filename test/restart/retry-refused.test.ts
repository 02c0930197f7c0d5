/** Tests the interceptor that retries refused calls, against node:http2 servers that refuse calls in each way. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { retryRefused } from "../../src/server/retry-refused.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { callRoutes } from "../support/call-service.ts";

const CALLERS = 32;
const GOAWAY_MS = 250;
const MIN_GOAWAYS = 8;
const MAX_MS = 20_000;
const CALL_HEADER = "x-call";

const PROTOCOLS = [
  { name: "Connect", createTransport: createConnectTransport },
  { name: "Connect GET", createTransport: createConnectTransport, useHttpGet: true },
  { name: "gRPC", createTransport: createGrpcTransport },
  { name: "gRPC-Web", createTransport: createGrpcWebTransport },
] as const;

interface Traffic {
  readonly goaways: number;
  readonly done: number;
  /** The messages of failed calls. */
  readonly lost: readonly string[];
  /** Calls whose handler ran more than once, and successful calls whose handler did not run. */
  readonly wrongRuns: readonly string[];
}

/** Calls a server that sends GOAWAY on each connection every 250 ms. Stops when `enough` returns true. */
async function callOnAndOn(
  t: TestContext,
  open: (baseUrl: string) => Transport,
  enough: (traffic: Traffic) => boolean,
): Promise<Traffic> {
  const runs = new Map<string, number>();
  const sessions = new Set<ServerHttp2Session>();
  const baseUrl = await listen(t, {
    onSession: (session) => sessions.add(session).size,
    handler: connectNodeAdapter({
      routes: callRoutes,
      interceptors: [
        (next) => (request) => {
          const call = request.header.get(CALL_HEADER) ?? "";
          runs.set(call, (runs.get(call) ?? 0) + 1);
          return next(request);
        },
      ],
    }),
  });
  const client = createClient(CallService, open(baseUrl));
  const traffic = { goaways: 0, done: 0, lost: [] as string[], wrongRuns: [] as string[] };
  const timer = setInterval(() => {
    traffic.goaways++;
    for (const session of sessions) session.close(); // GOAWAY with the last stream, as nginx after keepalive_requests
    sessions.clear();
  }, GOAWAY_MS);
  const until = performance.now() + MAX_MS;
  let calls = 0;
  async function caller(): Promise<void> {
    while (!enough(traffic) && performance.now() < until) {
      const call = String(calls++);
      const succeeded = await client.add({ a: 1, b: 2 }, { headers: { [CALL_HEADER]: call } }).then(
        ({ sum }) => sum === 3,
        (error) => void traffic.lost.push(String(error)),
      );
      if (succeeded) traffic.done++;
      const ran = runs.get(call) ?? 0;
      if (ran > 1 || (succeeded && ran === 0)) traffic.wrongRuns.push(call);
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
  clearInterval(timer);
  return traffic;
}

for (const { name, createTransport, ...options } of PROTOCOLS) {
  const open = (interceptors: Interceptor[]) => (baseUrl: string) =>
    createTransport({ baseUrl, httpVersion: "2", interceptors, ...options });

  test(`${name}: without it calls are lost to GOAWAY`, async (t) => {
    const { lost } = await callOnAndOn(t, open([]), ({ lost }) => lost.length > 0);
    assert.match(lost[0] ?? "none was lost", /NGHTTP2_REFUSED_STREAM/);
  });

  test(`${name}: with it no call is lost to GOAWAY every ${GOAWAY_MS} ms, and none runs twice`, async (t) => {
    let tries = 0;
    const count: Interceptor = (next) => (request) => {
      tries++;
      return next(request);
    };
    const { done, goaways, lost, wrongRuns } = await callOnAndOn(
      t,
      open([retryRefused, count]),
      (traffic) => traffic.goaways >= MIN_GOAWAYS && tries > traffic.done + traffic.lost.length + CALLERS,
    );
    t.diagnostic(`${done} calls, ${goaways} times GOAWAY, ${tries - done} tries more than calls`);
    assert.deepEqual({ lost, wrongRuns }, { lost: [], wrongRuns: [] });
    assert.ok(tries > done, "no call was sent twice");
  });
}

/** Makes one call to a server that ends each stream in this way. Returns its error and the number of requests. */
async function callOnce(t: TestContext, end: NonNullable<Callbacks["onStream"]>, signal?: AbortSignal) {
  let requests = 0;
  const baseUrl = await listen(t, {
    onStream(stream, socket) {
      requests++;
      end(stream, socket);
    },
  });
  const transport = createConnectTransport({ baseUrl, httpVersion: "2", interceptors: [retryRefused] });
  const options = signal === undefined ? {} : { signal };
  const error = await createClient(CallService, transport)
    .add({ a: 1, b: 2 }, options)
    .then(
      () => assert.fail("the call succeeded"),
      (reason) => ConnectError.from(reason),
    );
  return { requests, code: error.code, message: error.rawMessage };
}

test("a call that is refused each time is sent three times, and fails with the third error", async (t) => {
  const { requests, code, message } = await callOnce(t, (stream) =>
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM),
  );
  assert.deepEqual({ requests, code }, { requests: 3, code: Code.Internal });
  assert.match(message, /NGHTTP2_REFUSED_STREAM/);
});

for (const [reset, rstCode] of [
  ["CANCEL", http2.constants.NGHTTP2_CANCEL],
  ["INTERNAL_ERROR", http2.constants.NGHTTP2_INTERNAL_ERROR],
  ["ENHANCE_YOUR_CALM", http2.constants.NGHTTP2_ENHANCE_YOUR_CALM],
] as const) {
  test(`a call that is reset with ${reset}, which may have run, is sent once`, async (t) => {
    assert.equal((await callOnce(t, (stream) => stream.close(rstCode))).requests, 1);
  });
}

test("an error of the server with the same text is passed on, since the call ran", async (t) => {
  const message = "Stream closed with error code NGHTTP2_REFUSED_STREAM";
  const answer = JSON.stringify({ code: "internal", message });
  assert.deepEqual(
    await callOnce(t, (stream) => {
      stream.respond({ ":status": 500, "content-type": "application/json" });
      stream.end(answer);
    }),
    { requests: 1, code: Code.Internal, message },
  );
});

test("a call is not retried if the connection ends without GOAWAY", async (t) => {
  assert.equal((await callOnce(t, (_, socket) => socket.destroy())).requests, 1);
});

test("a call that was cancelled meanwhile is not sent again", async (t) => {
  const cancel = new AbortController();
  const { requests, code } = await callOnce(
    t,
    (stream) => {
      cancel.abort();
      stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    },
    cancel.signal,
  );
  assert.deepEqual({ requests, code }, { requests: 1, code: Code.Canceled });
});

test("a stream is passed on once, whatever its error", async () => {
  const cause = Object.assign(new Error("Stream closed with error code NGHTTP2_REFUSED_STREAM"), {
    code: "ERR_HTTP2_STREAM_ERROR",
  });
  const refused = new ConnectError(cause.message, Code.Internal, undefined, undefined, cause);
  for (const [stream, tries] of [
    [true, 1],
    [false, 3],
  ] as const) {
    let sent = 0;
    const call = retryRefused(async () => {
      sent++;
      throw refused;
    });
    const request = { stream, signal: new AbortController().signal } as unknown as Parameters<typeof call>[0];
    await assert.rejects(call(request), refused);
    assert.equal(sent, tries);
  }
});

interface Callbacks {
  readonly onSession?: (session: ServerHttp2Session) => void;
  /** `socket` is that of the newest connection. */
  readonly onStream?: (stream: ServerHttp2Stream, socket: Socket) => void;
  readonly handler?: ReturnType<typeof connectNodeAdapter>;
}

/** Starts a node:http2 server. Returns its URL. */
async function listen(t: TestContext, { onSession, onStream, handler }: Callbacks): Promise<string> {
  const server = http2.createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {}).on("close", () => sessions.delete(session));
    onSession?.(session);
  });
  let newest: Socket;
  server.on("connection", (socket: Socket) => {
    newest = socket.setNoDelay(); // otherwise Nagle's algorithm delays each call by 40 ms
  });
  if (handler !== undefined) server.on("request", handler);
  if (onStream !== undefined) {
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => {});
      onStream(stream, newest);
    });
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    for (const session of sessions) session.destroy();
    server.close();
    await sleep(0);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
