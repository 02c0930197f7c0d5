/**
 * The observer: one beginning and one end of every call, with the code that the client gets, in every protocol, over every
 * HTTP version and implementation, with and without the fast path.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { nodeAdapter } from "../../src/server/adapters/node-adapter.ts";
import type { LogRecord } from "../../src/server/log/record.ts";
import type { ObservedCall } from "../../src/server/rpc/observer.ts";
import { type Call, CELLS, type Cell, envelope, isGrpc, makeRequest } from "../support/cells.ts";
import { type HttpRequest, type HttpResponse, send } from "../support/http.ts";
import { startNodeServer } from "../support/node-server.ts";
import { ObservedCalls } from "../support/observed-calls.ts";
import { echoRoutes } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomRequest } from "../support/random-call.ts";
import { turns } from "../support/raw.ts";
import { scriptedRoutes } from "../support/scripted.ts";
import { malformedStream, randomStream, scriptedStreams } from "../support/scripted-stream.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const SEED = 20_261_130;
const CALLS = 6;
const SAY = "/fixture.Echo/Say";
const LONG = "x".repeat(3_000);

/** A server, the paths to its calls, and the calls that its observer has seen. */
interface Observing extends Pick<RunningServer, "authority"> {
  readonly observed: ObservedCalls;
  readonly log: string[];
}

type Start = (t: TestContext, options?: Parameters<typeof startServer>[1]) => Promise<Observing>;

/** Each way to serve, with the HTTP versions that differ between the ways. */
const WAYS: readonly { readonly name: string; readonly https: readonly Cell["http"][]; readonly start: Start }[] = [
  ...[true, false].flatMap((fastPath) =>
    (["built-in", "node"] as const).map((implementation) => ({
      name: `http2 ${implementation} and the fast path ${fastPath ? "on" : "off"}`,
      https: implementation === "node" ? (["HTTP/2"] as const) : (["HTTP/1.1", "HTTP/2"] as const),
      async start(t: TestContext, options = {}) {
        const observed = new ObservedCalls();
        const { authority, log } = await startServer(t, {
          ...options,
          fastPath,
          http2: implementation,
          observer: observed.observer,
        });
        t.after(() => observed.check());
        return { authority, log, observed };
      },
    })),
  ),
  {
    name: "nodeAdapter on http.createServer",
    https: ["HTTP/1.1"],
    async start(t, { contextValues: _, allowedHosts: __, ...options } = {}) {
      const observed = new ObservedCalls();
      const log: string[] = [];
      const adapter = nodeAdapter({
        routes,
        ...(options as object),
        log: ({ event, message }) => event !== "limit" && log.push(message),
        observer: observed.observer,
      });
      const { authority } = await startNodeServer(t, "http.createServer", adapter);
      t.after(() => {
        assert.deepEqual(log, []);
        observed.check();
      });
      return { authority, log, observed };
    },
  },
];

/** The handlers do what the text of the first message says. */
const routes = echoRoutes({
  say: ({ value }, context) => act(value, context),
  async *repeat({ value }, context) {
    yield { value: "first" };
    yield await act(value, context);
  },
  async join(requests, context) {
    let last = "";
    for await (const { value } of requests) last = value;
    return act(last, context);
  },
  async *chat(requests, context) {
    for await (const { value } of requests) yield await act(value, context);
  },
});

function act(value: string, { signal, responseHeader }: HandlerContext) {
  if (value === "not found") throw new ConnectError("no such text", Code.NotFound);
  if (value === "long error") throw new ConnectError(LONG, Code.Aborted);
  if (value === "exception") throw new Error("the database is on fire");
  if (value === "invalid header") responseHeader.set("x-header", "a\x01b");
  if (value === "hang") return new Promise<never>(() => {});
  if (value === "wait") return waitFor(signal);
  return { value: value === "long" ? LONG : value };
}

async function waitFor(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  throw signal.reason;
}

function encode({ codec }: Pick<Cell, "codec">, value: string): Uint8Array {
  const message = create(StringValueSchema, { value });
  return codec === "proto"
    ? toBinary(StringValueSchema, message)
    : Buffer.from(toJsonString(StringValueSchema, message));
}

/** The requests of unary calls, and the code that is expected in each cell; undefined for success. */
const UNARY: readonly {
  readonly name: string;
  readonly call: (cell: Cell) => Omit<Call, "path">;
  readonly change?: (request: HttpRequest, cell: Cell) => HttpRequest;
  readonly code: Code | undefined | ((cell: Cell) => Code | undefined);
}[] = [
  { name: "a success", call: (cell) => ({ message: encode(cell, "ok") }), code: undefined },
  { name: "an error", call: (cell) => ({ message: encode(cell, "not found") }), code: Code.NotFound },
  { name: "an exception", call: (cell) => ({ message: encode(cell, "exception") }), code: Code.Internal },
  ...["gzip", "br"].flatMap((acceptEncoding) => [
    {
      name: `a compressed response (${acceptEncoding})`,
      call: (cell: Cell) => ({ message: encode(cell, "long"), acceptEncoding }),
      code: undefined,
    },
    {
      name: `a compressed error (${acceptEncoding})`,
      call: (cell: Cell) => ({ message: encode(cell, "long error"), acceptEncoding }),
      code: Code.Aborted,
    },
  ]),
  {
    name: "a compressed request",
    call: (cell) => ({ message: gzipSync(encode(cell, "ok")), encoding: "gzip" }),
    code: undefined,
  },
  {
    name: "a compressed request with an error",
    call: (cell) => ({ message: brotliCompressSync(encode(cell, "not found")), encoding: "br" }),
    code: Code.NotFound,
  },
  {
    name: "an unknown compression",
    call: (cell) => ({ message: encode(cell, "ok"), encoding: "x" }),
    code: Code.Unimplemented,
  },
  { name: "a malformed message", call: () => ({ message: Buffer.from("\xff{") }), code: Code.InvalidArgument },
  { name: "a large message", call: (cell) => ({ message: encode(cell, LONG) }), code: Code.ResourceExhausted },
  {
    name: "an invalid timeout",
    call: (cell) => ({ message: encode(cell, "ok"), timeout: "x" }),
    code: Code.InvalidArgument,
  },
  {
    name: "a timeout",
    call: (cell) => ({ message: encode(cell, "wait"), timeout: isGrpc(cell) ? "20m" : "20" }),
    code: Code.DeadlineExceeded,
  },
  {
    name: "a timeout that the handler ignores",
    call: (cell) => ({ message: encode(cell, "hang"), timeout: isGrpc(cell) ? "20m" : "20" }),
    code: Code.DeadlineExceeded,
  },
  {
    name: "a method that is not allowed",
    call: (cell) => ({ message: encode(cell, "ok") }),
    change: (request) => ({ ...request, method: "PUT" }),
    code: Code.Unknown,
  },
  {
    name: "a content type that is not supported",
    call: (cell) => ({ message: encode(cell, "ok") }),
    change: ({ headers, path, ...request }, { protocol }) =>
      protocol === "Connect GET"
        ? { ...request, headers: headers ?? {}, path: path.replace(/encoding=\w+/, "encoding=x") }
        : { ...request, path, headers: { ...headers, "content-type": "text/plain" } },
    code: Code.Unknown,
  },
  ...(["sync", "async"] as const).map((gate) => ({
    name: `a gate that rejects (${gate})`,
    call: (cell: Cell) => ({ message: encode(cell, "ok") }),
    change: (request: HttpRequest) => ({ ...request, headers: { ...request.headers, "x-gate": gate } }),
    code: Code.Unauthenticated,
  })),
];

const OPTIONS = {
  routes,
  limits: { messageBytes: 2_000 },
  requestGate({ requestHeader }: HandlerContext) {
    const gate = requestHeader.get("x-gate");
    const error = new ConnectError("closed", Code.Unauthenticated);
    if (gate === "sync") throw error;
    if (gate === "async") return sleep(1).then(() => Promise.reject(error));
  },
};

for (const { name: way, https, start } of WAYS) {
  for (const cell of CELLS.filter((each) => https.includes(each.http))) {
    test(`a unary call begins and ends once however it ends, with ${way}, in ${cell.name}`, async (t) => {
      const server = await start(t, OPTIONS);
      for (const { name, call, change = (request: HttpRequest) => request, code } of UNARY) {
        const request = change(makeRequest(cell, { path: SAY, ...call(cell) }), cell);
        const { seen, seenCode, response } = await callOnce(server, cell, request, name);
        assert.equal(seenCode, typeof code === "function" ? code(cell) : code, name);
        assert.equal(seen.method?.name, "Say", name);
        if (!request.headers?.["content-type"]?.startsWith("text/"))
          assert.equal(seen.protocolName, nameOf(cell), name);
        assert.equal(seen.responseBytes, response.body.length, name);
        if (seenCode === undefined)
          assert.equal(seen.requestBytes, Buffer.byteLength((request.body ?? "") as Buffer), name);
        assert.equal(seen.header("x-gate"), request.headers?.["x-gate"]);
      }
      server.log.length = 0; // of the exception
    });
  }
}

const STREAM_CELLS = CELLS.filter(({ protocol }) => protocol !== "Connect GET");

for (const { name: way, https, start } of WAYS) {
  for (const cell of STREAM_CELLS.filter((each) => https.includes(each.http))) {
    test(`a stream begins and ends once however it ends, with ${way}, in ${cell.name}`, async (t) => {
      const server = await start(t, OPTIONS);
      for (const method of ["Repeat", "Join", "Chat"]) {
        for (const [text, expected] of [
          ["ok", undefined],
          ["not found", Code.NotFound],
          ["exception", Code.Internal],
          ["long error", Code.Aborted],
          ["malformed", Code.InvalidArgument],
          [LONG, Code.ResourceExhausted],
        ] as const) {
          for (const acceptEncoding of text === "long error" ? [undefined, "gzip", "br"] : [undefined]) {
            const name = `${method} ${text} ${acceptEncoding}`;
            const message = text === "malformed" ? Buffer.from("\xff{") : encode(cell, text);
            const request = streamRequest(cell, method, [message], acceptEncoding);
            const { seen, seenCode, response } = await callOnce(server, cell, request, name);
            const isRefused = method === "Chat" && cell.http === "HTTP/1.1"; // status 505
            assert.equal(seenCode, isRefused ? Code.Unknown : expected, name);
            assert.deepEqual([seen.method?.name, seen.protocolName], [method, nameOf(cell)], name);
            assert.equal(seen.responseBytes, response.body.length, name);
            const { length } = request.body as Buffer;
            if (expected === undefined && !isRefused) assert.equal(seen.requestBytes, length, name);
          }
        }
        for (const gate of ["sync", "async"]) {
          const request = streamRequest(cell, method, [encode(cell, "ok")], undefined, { "x-gate": gate });
          const { seenCode } = await callOnce(server, cell, request, `${method} ${gate}`);
          if (method !== "Chat") assert.equal(seenCode, Code.Unauthenticated);
        }
      }
      server.log.length = 0; // of the exceptions
    });

    test(`random calls and streams begin and end once with the code that the client gets, with ${way}, in ${cell.name}`, async (t) => {
      const random = new Random(SEED);
      const unary = await start(t, { routes: scriptedRoutes });
      for (let i = 0; i < CALLS; i++) await callOnce(unary, cell, randomRequest(random, cell), `call ${i}`);
      const streams = await start(t, { routes: scriptedStreams });
      for (let i = 0; i < CALLS; i++) {
        const request = randomStream(random, cell);
        await callOnce(streams, cell, request, `stream ${i}`);
        await callOnce(streams, cell, malformedStream(random, request), `malformed stream ${i}`);
      }
      unary.log.length = 0;
      streams.log.length = 0;
    });
  }
}

for (const { name: way, https, start } of WAYS) {
  for (const version of https) {
    for (const path of ["Say", "Repeat", "Join", "Chat"].filter((name) => name !== "Chat" || version === "HTTP/2")) {
      for (const [moment, pieces] of [
        ["while the body is read", [envelope(encode({ codec: "proto" }, "wait")).subarray(0, 4)]],
        ["while the handler runs", [envelope(encode({ codec: "proto" }, "wait"))]],
      ] as const) {
        for (const leave of ["the stream", "the connection"]) {
          test(`${path} ends once as canceled when its client cancels ${leave} ${moment}, with ${way}, over ${version}`, async (t) => {
            const { authority, observed } = await start(t, OPTIONS);
            const client = await begin(version, authority, `/fixture.Echo/${path}`, pieces, moment.endsWith("runs"));
            await until(() => observed.calls.length === 1);
            await sleep(5);
            client.leave(leave);
            await until(() => observed.calls[0]?.codes.length === 1);
            await turns();
            const [{ call, codes } = assert.fail()] = observed.calls;
            assert.deepEqual([codes, call.method?.name, observed.calls.length], [[Code.Canceled], path, 1]);
            assert.equal(call.peer.address, "127.0.0.1");
          });
        }
      }
    }
  }
}

/** A limit at which the server itself responds in place of the handler, the first bytes of a body, and the code. */
const REFUSALS = [
  { limits: { bufferedBytes: 500 }, bytes: 1_900, code: Code.Unavailable, limit: "bufferedBytes" },
  { limits: { requestMs: 50 }, bytes: 4, code: Code.Unknown, limit: "requestMs" }, // 408
] as const;

for (const { name: way, https, start } of WAYS) {
  for (const version of https) {
    for (const { limits, bytes, code, limit } of REFUSALS) {
      test(`a call that is refused at ${limit} ends once with the code of the response, with ${way}, over ${version}`, async (t) => {
        const hits: string[] = [];
        const log = (record: LogRecord): void => void hits.push(String(record.limit));
        const options = way.startsWith("nodeAdapter") ? {} : { log };
        const { authority, observed } = await start(t, {
          ...OPTIONS,
          ...options,
          limits: { ...OPTIONS.limits, ...limits },
        });
        const message = envelope(encode({ codec: "proto" }, "x".repeat(1_900))).subarray(0, bytes);
        const client = await begin(version, authority, SAY, [message], false);
        await until(() => observed.calls[0]?.codes.length === 1);
        assert.deepEqual(observed.calls[0]?.codes, [code]);
        if ("log" in options)
          assert.deepEqual(
            hits.filter((hit) => hit !== "undefined"),
            [limit],
          );
        client.leave("the connection");
        await turns();
      });
    }
  }
}

for (const { name: way } of WAYS.slice(0, 4)) {
  for (const [name, path, text, code] of [
    ["a call that stops at the signal", SAY, "wait", Code.Unavailable],
    ["a call that never stops", SAY, "hang", Code.Unavailable],
    ["a stream that stops at the signal", "/fixture.Echo/Repeat", "wait", Code.Unavailable],
    ["a stream that never stops", "/fixture.Echo/Repeat", "hang", Code.Canceled],
  ] as const) {
    test(`${name} ends once when a drain cuts it, with ${way}`, async (t) => {
      const observed = new ObservedCalls();
      const [, http2Name = "built-in", fastPath] = /^http2 (\S+) and the fast path (\w+)/.exec(way) ?? [];
      const { server, authority } = await startServer(t, {
        ...OPTIONS,
        http2: http2Name as "built-in" | "node",
        fastPath: fastPath === "on",
        observer: observed.observer,
      });
      void begin("HTTP/2", authority, path, [envelope(encode({ codec: "proto" }, text))], true);
      await until(() => observed.calls.length === 1);
      await sleep(5);
      await server.close({ delayMs: 0, idleMs: 0, graceMs: 60, abortMs: 30 });
      assert.deepEqual(
        observed.calls.map(({ codes }) => codes),
        [[code]],
      );
    });
  }
}

for (const { name: way, https, start } of WAYS) {
  for (const cell of CELLS.filter((each) => https.includes(each.http) && each.codec === "proto")) {
    test(`a call over the limit and calls of unknown methods begin and end once, with ${way}, in ${cell.name}`, async (t) => {
      const server = await start(t, { ...OPTIONS, limits: { callsInFlight: 1 } });
      const { observed, authority } = server;
      const client = await begin(cell.http, authority, SAY, [envelope(encode(cell, "wait"))], true);
      await until(() => observed.calls.length === 1);
      await sleep(5);
      const request = makeRequest(cell, { path: SAY, message: encode(cell, "ok") });
      assert.equal((await callOnce(server, cell, request, "over the limit")).seenCode, Code.Unavailable);
      client.leave("the connection");
      await until(() => observed.calls[0]?.codes.length === 1);
      for (const path of ["/fixture.Echo/Unknown", "/unknown"]) {
        const unknown = makeRequest(cell, { path, message: encode(cell, "ok") });
        const before = observed.calls.length;
        if (cell.protocol === "Connect GET") {
          assert.equal((await send(cell.http, authority, unknown)).status, 404);
          assert.equal(observed.calls.length, before);
        } else {
          const { seen, seenCode } = await callOnce(server, cell, unknown, path);
          assert.deepEqual([seen.method, seen.path, seenCode], [undefined, path, Code.Unimplemented]);
          assert.equal(seen.protocolName, nameOf(cell));
        }
      }
    });
  }
}

for (const { name: way, start } of WAYS.filter(({ https }) => https.includes("HTTP/2"))) {
  test(`streams that begin together at the limit, and streams of health, begin and end once, with ${way}`, async (t) => {
    const { authority, observed } = await start(t, { ...OPTIONS, limits: { callsInFlight: 1 } });
    const session = http2.connect(`http://${authority}`);
    const headers = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
    const open = (path: string, text: string): http2.ClientHttp2Stream => {
      const stream = session.request({ ...headers, ":path": path }).on("error", () => {});
      stream.resume().end(envelope(encode({ codec: "proto" }, text)));
      return stream;
    };
    await once(session, "connect");
    const paths = ["/grpc.health.v1.Health/Watch", ...Array.from({ length: 3 }, () => "/fixture.Echo/Repeat")];
    const streams = paths.map((path) => open(path, path.endsWith("Watch") ? "" : "wait"));
    await until(() => observed.calls.filter(({ codes }) => codes.length === 1).length === 2);
    await sleep(5);
    for (const stream of streams) stream.destroy();
    await until(() => observed.calls.every(({ codes }) => codes.length === 1));
    const { Canceled, Unavailable } = Code;
    const codes = observed.calls.map(({ call, codes: [code] }) => [call.method?.name, code]);
    assert.deepEqual(codes, [
      ["Watch", Canceled],
      ["Repeat", Canceled],
      ["Repeat", Unavailable],
      ["Repeat", Unavailable],
    ]);
    session.close();
  });
}

test("a response that cannot be sent ends its call once as internal", async (t) => {
  for (const { start } of WAYS.filter(({ name }) => name.includes("built-in"))) {
    for (const version of ["HTTP/1.1", "HTTP/2"] as const) {
      for (const path of [SAY, "/fixture.Echo/Join"]) {
        const { authority, observed, log } = await start(t, OPTIONS);
        const body = envelope(encode({ codec: "proto" }, "invalid header"));
        const headers = { "content-type": "application/grpc" };
        await assert.rejects(send(version, authority, { path, headers, body }));
        await until(() => observed.calls[0]?.codes.length === 1);
        assert.deepEqual(
          observed.calls.map(({ codes }) => codes),
          [[Code.Internal]],
        );
        assert.match(log.splice(0).join("\n"), /^respond to \/fixture\.Echo\/(Say|Join): .*x-header/);
      }
    }
  }
});

test("requests that are not calls are not observed", async (t) => {
  const observed = new ObservedCalls();
  const { authority } = await startServer(t, {
    http2: "built-in", // node:http2 resets the stream of an invalid host
    routes,
    observer: observed.observer,
    corsOrigins: ["https://a.example"],
  });
  const preflight = { origin: "https://a.example", "access-control-request-method": "POST" };
  for (const version of ["HTTP/1.1", "HTTP/2"] as const)
    for (const [request, status] of [
      [{ method: "GET", path: "/" }, 200],
      [{ method: "GET", path: "/healthz" }, 200],
      [{ method: "GET", path: "/favicon.ico" }, 404],
      [{ method: "POST", path: "/login", headers: { "content-type": "text/html" }, body: "" }, 404],
      [{ method: "OPTIONS", path: SAY }, 204],
      [{ method: "OPTIONS", path: SAY, headers: preflight }, 204],
      [{ method: "GET", path: "/", headers: { host: "x y" } }, 400],
    ] as const)
      assert.equal((await send(version, authority, request)).status, status, `${version} ${request.path}`);
  assert.deepEqual(observed.calls, []);
});

for (const { name: way, https, start } of WAYS) {
  for (const version of https) {
    test(`the gate, the interceptors and the handler run in the scope of their call, with ${way}, over ${version}`, async (t) => {
      const ran: [where: string, call: ObservedCall | undefined][] = [];
      const note = (where: string): number => ran.push([where, server.observed.current]);
      const server: Observing = await start(t, {
        async requestGate() {
          note("gate");
          await turns();
          note("gate later");
        },
        interceptors: [
          (next) => async (request) => {
            note("interceptor");
            return next(request);
          },
        ],
        routes: echoRoutes({
          async say(request) {
            note("handler");
            await turns();
            note("handler later");
            return request;
          },
          async *chat(requests) {
            for await (const request of requests) {
              note("message");
              yield request;
              note("after a message");
              await turns();
              note("later");
            }
            note("end");
          },
          async *repeat(request) {
            note("first");
            yield request;
            note("second");
            yield request;
            note("end");
          },
        }),
      });
      const cell = CELLS.find(({ name }) => name === `gRPC proto over ${version}`) as Cell;
      const methods = version === "HTTP/2" ? ["Say", "Repeat", "Chat"] : ["Say", "Repeat"];
      for (const method of methods) {
        ran.length = 0;
        const messages = method === "Chat" ? ["a", "b", "c"] : ["a"];
        const body = messages.map((text) => envelope(encode(cell, text)));
        const request = { ...streamRequest(cell, method, []), body };
        const { seen, seenCode } = await callOnce(server, cell, request, method);
        assert.equal(seenCode, undefined);
        assert.ok(ran.length >= 5, method);
        for (const [where, call] of ran) assert.equal(call, seen, `${method} ${where}`);
      }
    });
  }
}

test("errors of an observer are logged, and change no call", async (t) => {
  const fail = (): never => {
    throw new Error("the observer is broken");
  };
  const reject = async (): Promise<never> => fail();
  for (const fastPath of [true, false]) {
    for (const [observer, methods] of [
      [{ begin: fail, end: fail }, ["begin", "end"]],
      [{ begin: reject as never, end: reject }, ["begin", "end"]],
      [{ begin: () => ({ run: fail }), end() {} }, ["run"]],
      [{ begin: () => ({ run: (run: () => unknown) => [run(), fail()] as never }), end() {} }, ["run"]],
      [{ begin: () => ({ run: () => undefined as never }), end() {} }, []],
      [{ begin: () => "a scope" as never, end() {} }, ["run"]],
    ] as const) {
      const records: string[] = [];
      const { authority } = await startServer(t, {
        ...OPTIONS,
        fastPath,
        observer,
        log: ({ event, message, method }) => records.push(`${event} ${method} ${message}`),
      });
      for (const cell of CELLS.filter(({ http, codec }) => http === "HTTP/2" && codec === "proto")) {
        for (const [text, code] of [
          ["ok", undefined],
          ["not found", Code.NotFound],
        ] as const) {
          const response = await send(
            cell.http,
            authority,
            makeRequest(cell, { path: SAY, message: encode(cell, text) }),
          );
          assert.equal(codeIn(response), code);
          if (cell.protocol === "Connect GET") continue;
          const repeated = await send(cell.http, authority, streamRequest(cell, "Repeat", [encode(cell, text)]));
          assert.equal(codeIn(repeated), code);
        }
      }
      assert.deepEqual(
        records.map((record) => record.replace(/: Error: the observer is broken[\s\S]*|: TypeError[\s\S]*/, "")).sort(),
        methods.map((method) => `observer_error ${method} observe a call: ${method}`),
      );
    }
  }
});

test("startedAt is exact, and the time before the handler counts", async (t) => {
  for (const { https, start } of WAYS)
    for (const version of https) {
      const { authority, observed } = await start(t, OPTIONS);
      const cell = CELLS.find(({ name }) => name === `gRPC proto over ${version}`) as Cell;
      const before = performance.now();
      for (let i = 0; i < 5; i++)
        await send(version, authority, makeRequest(cell, { path: SAY, message: encode(cell, "") }));
      const times = observed.calls.map(({ call }) => call.startedAt);
      assert.equal(times.length, 5);
      assert.ok(
        times.some((time) => !Number.isInteger(time)),
        String(times),
      );
      for (const time of times) assert.ok(time >= before && time <= performance.now());
    }
});

function nameOf({ protocol }: Cell): string {
  return (protocol.split(" ", 1)[0] as string).toLowerCase();
}

/** Returns the request of a stream with these messages. */
function streamRequest(
  { protocol, codec }: Cell,
  method: string,
  messages: readonly Uint8Array[],
  acceptEncoding?: string,
  headers: Readonly<Record<string, string>> = {},
): HttpRequest {
  const type = method === "Say" || protocol !== "Connect" ? nameOf({ protocol } as Cell) : "connect";
  const accept = protocol === "Connect" ? "connect-accept-encoding" : "grpc-accept-encoding";
  return {
    path: `/fixture.Echo/${method}`,
    headers: {
      "content-type": `application/${type}+${codec}`,
      ...(acceptEncoding && { [accept]: acceptEncoding }),
      ...headers,
    },
    body: Buffer.concat(messages.map((message) => envelope(message))),
  };
}

/** Sends a request, and returns the only call that the observer has seen meanwhile. Its code must be that of the response. */
async function callOnce(
  { authority, observed }: Observing,
  { http }: Cell,
  request: HttpRequest,
  name: string,
): Promise<{ readonly seen: ObservedCall; readonly seenCode: Code | undefined; readonly response: HttpResponse }> {
  const before = observed.calls.length;
  const response = await send(http, authority, request);
  await until(() => observed.calls.slice(before).every(({ codes }) => codes.length > 0));
  observed.check(before);
  const [one = assert.fail(`${name}: no call`), ...more] = observed.calls.slice(before);
  assert.equal(more.length, 0, name);
  const [seenCode] = one.codes;
  assert.equal(seenCode, codeIn(response), name);
  const { call } = one;
  assert.equal(call.httpVersion, http === "HTTP/2" ? "2.0" : "1.1");
  assert.equal(call.path, request.path.replace(/\?.*/, ""));
  assert.equal(call.peer.address, "127.0.0.1");
  return { seen: call, seenCode, response };
}

/** Returns the code in a response as a client reads it; undefined for success. */
function codeIn({ status, headers, trailers, body }: HttpResponse): Code | undefined {
  const type = String(headers["content-type"] ?? "");
  const inflate = (bytes: Uint8Array, encoding: unknown): string =>
    String(encoding === "gzip" ? gunzipSync(bytes) : encoding === "br" ? brotliDecompressSync(bytes) : bytes);
  const grpcCode = (text: unknown) => (Number(text) === 0 ? undefined : (Number(text) as Code));
  if (/^application\/grpc(\+|$)/.test(type)) return grpcCode(trailers["grpc-status"] ?? headers["grpc-status"]);
  if (/^application\/(grpc-web|connect\+)/.test(type)) {
    if (headers["grpc-status"] !== undefined) return grpcCode(headers["grpc-status"]);
    let at = 0;
    while (at + 5 + body.readUInt32BE(at + 1) < body.length) at += 5 + body.readUInt32BE(at + 1);
    const encoding = headers["grpc-encoding"] ?? headers["connect-content-encoding"];
    const text = inflate(body.subarray(at + 5), (body[at] as number) & 1 ? encoding : undefined);
    if (type.includes("grpc-web")) return grpcCode(/grpc-status: ?(\d+)/.exec(text)?.[1]);
    return codeFromString(JSON.parse(text).error?.code);
  }
  if (status === 200) return undefined;
  if (type !== "application/json") return status === 404 ? Code.Unimplemented : Code.Unknown;
  return codeFromString(JSON.parse(inflate(body, headers["content-encoding"])).code);
}

/** Begins a request of gRPC. `leave` ends its stream or its connection. */
async function begin(
  version: Cell["http"],
  authority: string,
  path: string,
  pieces: readonly Uint8Array[],
  isComplete: boolean,
): Promise<{ leave(what: string): void }> {
  const headers = { "content-type": "application/grpc", te: "trailers" };
  const ignore = (): void => {};
  if (version === "HTTP/1.1") {
    const [hostname, port] = authority.split(":");
    const request = http.request({ hostname, port, path, method: "POST", headers }).on("error", ignore);
    request.on("response", (response) => response.on("error", ignore).resume());
    for (const piece of pieces) request.write(piece);
    if (isComplete) request.end();
    return { leave: () => request.destroy() };
  }
  const session = http2.connect(`http://${authority}`).on("error", ignore);
  const stream = session.request({ ":method": "POST", ":path": path, ...headers }).on("error", ignore);
  stream.resume();
  for (const piece of pieces) stream.write(piece);
  if (isComplete) stream.end();
  return {
    leave(what) {
      if (what === "the connection") session.destroy();
      else {
        stream.destroy(); // `close` would complete the request first
        session.close();
      }
    },
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !isTrue(); i++) await sleep(i < 50 ? 0 : 5);
  assert.ok(isTrue());
}
