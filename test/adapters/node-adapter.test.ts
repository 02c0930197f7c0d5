/** nodeAdapter on each of Node's servers: streams, cancellation, deadlines, limits, fallback, context values, shutdown. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import http2 from "node:http2";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Transport,
} from "@connectrpc/connect";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { type NodeAdapterOptions, type NodeHandler, nodeAdapter } from "../../src/server/adapters/node-adapter.ts";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { callRoutes } from "../support/call-service.ts";
import { envelope } from "../support/cells.ts";
import { send } from "../support/http.ts";
import { NODE_SERVER_NAMES, type NodeServerName, startAdapter, startNodeServer } from "../support/node-server.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo, exchangeBytes } from "../support/raw.ts";
import { TRANSPORTS } from "../support/transports.ts";

setFlagsFromString("--expose-gc");

const ADD = "/calls.v1.CallService/Add";
const JSON_CALL = { path: ADD, headers: { "content-type": "application/json" }, body: '{"a":1,"b":2}' };
const HEAD = `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
const OFF = Number.POSITIVE_INFINITY;
/** The time to wait for the effect of a limit, on a busy machine. */
const PATIENCE_MS = 10_000;

/** Connect's clients for each of Node's servers. */
const CLIENTS = NODE_SERVER_NAMES.flatMap((server) =>
  TRANSPORTS.filter(({ http, tls }) => serves(server, http, tls !== undefined)).map((transport) => ({
    server,
    name: `${transport.name} on ${server}`,
    http: transport.http,
    create: transport.create,
  })),
);

function serves(server: NodeServerName, http: "1.1" | "2", isSecure: boolean): boolean {
  if (server === "http2.createSecureServer") return isSecure;
  if (server === "http2.createServer") return http === "2" && !isSecure;
  return http === "1.1" && isSecure === (server === "https.createServer");
}

/** Returns a client of the Echo service on a new adapter. */
async function startEcho(
  t: TestContext,
  server: NodeServerName,
  create: (baseUrl: string) => Transport,
  implementation: Parameters<typeof echoRoutes>[0],
  options: Partial<NodeAdapterOptions> = {},
) {
  const running = await startAdapter(t, server, { routes: echoRoutes(implementation), ...options });
  return { ...running, client: createClient(Echo, create(running.url)) };
}

for (const { server, name, http, create } of CLIENTS) {
  test(`streams of every kind run in ${name}`, async (t) => {
    const { client } = await startEcho(t, server, create, {
      async *repeat({ value }) {
        for (let i = 0; i < 3; i++) yield { value: `${value}${i}` };
      },
      async join(requests) {
        const values: string[] = [];
        for await (const { value } of requests) values.push(value);
        return { value: values.join() };
      },
      async *chat(requests) {
        for await (const { value } of requests) yield { value: `${value}!` };
      },
    });
    const values = (responses: AsyncIterable<{ value: string }>) => Array.fromAsync(responses, ({ value }) => value);
    async function* requests() {
      yield { value: "a" };
      await turn();
      yield { value: "b" };
    }
    assert.deepEqual(await values(client.repeat({ value: "x" })), ["x0", "x1", "x2"]);
    assert.equal((await client.join(requests())).value, "a,b");
    if (http === "2") assert.deepEqual(await values(client.chat(requests())), ["a!", "b!"]);
  });

  test(`messages of megabytes pass in both directions, in ${name}`, async (t) => {
    const value = "x".repeat(3_000_000);
    const { client } = await startEcho(t, server, create, {
      say: (request) => request,
      async *repeat(request) {
        for (let i = 0; i < 3; i++) yield request;
      },
    });
    assert.equal((await client.say({ value })).value, value);
    for await (const response of client.repeat({ value })) assert.equal(response.value, value);
  });

  test(`a client that cancels aborts the signal of its handler, in ${name}`, async (t) => {
    for (const fastPath of [true, false]) {
      const signals = Promise.withResolvers<AbortSignal>();
      const wait = async (_: unknown, { signal }: HandlerContext): Promise<{ value: string }> => {
        signals.resolve(signal);
        await once(signal, "abort");
        return { value: "" };
      };
      const { client } = await startEcho(t, server, create, { say: wait }, { fastPath });
      const cancel = new AbortController();
      const call = client.say({ value: "" }, { signal: cancel.signal });
      const signal = await signals.promise;
      assert.equal(signal.aborted, false);
      cancel.abort();
      await assert.rejects(call, { code: Code.Canceled });
      if (!signal.aborted) await once(signal, "abort");
      assert.equal(signal.reason.code, Code.Canceled);
    }
  });

  test(`the deadline of a client and deadlineMs end a call, in ${name}`, async (t) => {
    const never = () => new Promise<never>(() => {});
    const { client } = await startEcho(t, server, create, { say: never });
    await assert.rejects(client.say({ value: "" }, { timeoutMs: 50 }), { code: Code.DeadlineExceeded });
    const short = await startEcho(t, server, create, { say: never }, { limits: { deadlineMs: 50 } });
    await assert.rejects(short.client.say({ value: "" }), { code: Code.DeadlineExceeded });
    const long = await startEcho(
      t,
      server,
      create,
      { say: () => sleep(100, { value: "y" }) },
      { limits: { deadlineMs: OFF } },
    );
    assert.equal((await long.client.say({ value: "" })).value, "y");
  });

  test(`context values come from Node's request, and have the peer, in ${name}`, async (t) => {
    const key = createContextKey("none");
    const seen = ({ values }: HandlerContext) => `${values.get(key)} ${values.get(peerKey)?.address}`;
    for (const fastPath of [true, false]) {
      const { client } = await startEcho(
        t,
        server,
        create,
        {
          say: (_, context) => ({ value: seen(context) }),
          async *repeat(_, context) {
            yield { value: seen(context) };
          },
        },
        { fastPath, contextValues: (req) => createContextValues().set(key, String(req.headers["x-who"])) },
      );
      const headers = { "x-who": "me" };
      assert.equal((await client.say({ value: "" }, { headers })).value, "me 127.0.0.1");
      for await (const { value } of client.repeat({ value: "" }, { headers })) assert.equal(value, "me 127.0.0.1");
    }
  });

  test(`an exception of a handler or of contextValues becomes an internal error, and the server goes on, in ${name}`, async (t) => {
    for (const options of [{}, { contextValues: (): never => fail() }]) {
      const { client, log } = await startEcho(t, server, create, { say: () => fail() }, options);
      await assert.rejects(client.say({ value: "" }), { code: Code.Internal, rawMessage: "internal error" });
      await assert.rejects(client.say({ value: "" }), { code: Code.Internal });
      assert.match(log.splice(0).join(), /^handle \/fixture\.Echo\/Say by [\w-]+: Error: broken/);
    }
  });

  test(`shutdownSignal ends streams with its reason, and lets unary calls finish, in ${name}`, async (t) => {
    const shutdown = new AbortController();
    const started = Promise.withResolvers<void>();
    const { client } = await startEcho(
      t,
      server,
      create,
      {
        async say(_, { signal }) {
          await once(signal, "abort");
          return { value: "done" };
        },
        async *repeat(_, { signal }) {
          yield { value: "first" };
          started.resolve();
          await once(signal, "abort");
          throw signal.reason;
        },
      },
      { shutdownSignal: shutdown.signal },
    );
    const stream = Array.fromAsync(client.repeat({ value: "" }));
    const call = client.say({ value: "" });
    await started.promise;
    await sleep(50); // until the unary handler runs too
    shutdown.abort(new ConnectError("closing", Code.Unavailable));
    await assert.rejects(stream, { code: Code.Unavailable, rawMessage: "closing" });
    assert.equal((await call).value, "done");
  });
}

for (const server of NODE_SERVER_NAMES) {
  const version = server.startsWith("http2") ? "HTTP/2" : "HTTP/1.1";

  test(`other paths go to the fallback with Node's untouched objects, whatever their content type, on ${server}`, async (t) => {
    const fallback: NodeHandler = async (req, res) => {
      const body = Buffer.concat(await (req as IncomingMessage).toArray());
      const listeners = [...req.eventNames(), ...res.eventNames()].filter((name) => name === "data");
      (res as http2.Http2ServerResponse).writeHead(201, {
        "content-type": "text/x",
        "x-listeners": listeners.length,
      });
      res.end(`${req.method} ${req.url} ${body}`);
    };
    const { url } = await startAdapter(t, server, { fallback });
    for (const type of ["text/plain", "application/grpc", "application/grpc-web+proto", "application/json"]) {
      const headers = { "content-type": type };
      const response = await send(version, url, { path: "/other?x=1", headers, body: "abc" });
      const { status, body } = response;
      assert.deepEqual([status, String(body)], [201, "POST /other?x=1 abc"]);
      assert.deepEqual([response.headers["content-type"], response.headers["x-listeners"]], ["text/x", "0"]);
    }
    assert.equal(String((await send(version, url, JSON_CALL)).body), '{"sum":3}');
    assert.equal((await send(version, url, { ...JSON_CALL, path: "/calls.v1.CallService/Nope" })).status, 201);
  });

  test(`without a fallback, other paths get unimplemented in the protocol of the request, on ${server}`, async (t) => {
    const { url } = await startAdapter(t, server);
    const call = (type: string) =>
      send(version, url, { path: "/other", headers: { "content-type": type }, body: Buffer.alloc(5) });
    assert.equal((await call("application/grpc")).headers["grpc-status"], "12");
    assert.equal((await call("application/grpc-web")).headers["grpc-status"], "12");
    const { status, body } = await call("application/json");
    assert.equal(status, 404);
    assert.equal(JSON.parse(String(body)).code, "unimplemented");
  });

  test(`requestPathPrefix comes before the paths of the routes, on ${server}`, async (t) => {
    const { url } = await startAdapter(t, server, { requestPathPrefix: "/api", health: true });
    assert.equal((await send(version, url, { ...JSON_CALL, path: `/api${ADD}` })).status, 200);
    assert.equal((await send(version, url, JSON_CALL)).status, 404);
    const check = { path: `/${Health.typeName}/Check`, headers: { "content-type": "application/json" }, body: "{}" };
    assert.equal(String((await send(version, url, check)).body), '{"status":"SERVING"}');
  });

  test(`health and reflection are off by default, on ${server}`, async (t) => {
    const { url } = await startAdapter(t, server);
    for (const path of [
      `/${Health.typeName}/Check`,
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      "/healthz",
    ]) {
      assert.equal((await send(version, url, { ...JSON_CALL, path })).status, 404, path);
    }
  });

  test(`pages on corsOrigins may call, and their preflights get a response, on ${server}`, async (t) => {
    const { url } = await startAdapter(t, server, { corsOrigins: ["https://a.example"] });
    const headers = { origin: "https://a.example", "access-control-request-method": "POST" };
    const preflight = await send(version, url, { method: "OPTIONS", path: ADD, headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], "https://a.example");
  });

  test(`the handler runs in the AsyncLocalStorage of the code around the adapter, on ${server}`, async (t) => {
    const storage = new AsyncLocalStorage<string>();
    for (const fastPath of [true, false]) {
      const say = () => ({ value: String(storage.getStore()) });
      const adapter = nodeAdapter({ routes: echoRoutes({ say }), fastPath });
      const { url } = await startNodeServer(t, server, (req, res) => storage.run("set", () => adapter(req, res)));
      for (const body of ['"x"', `"${"x".repeat(100_000)}"`]) {
        const headers = { "content-type": "application/json" };
        assert.equal(String((await send(version, url, { path: "/fixture.Echo/Say", headers, body })).body), '"set"');
      }
    }
  });

  test(`headers that were set before stay, unless the response has the same, on ${server}`, async (t) => {
    const routes = echoRoutes({
      say(request, { responseHeader }) {
        responseHeader.set("x-both", "rpc");
        responseHeader.append("vary", "X-Rpc");
        responseHeader.append("set-cookie", "rpc=1");
        return request;
      },
      async *repeat(request, { responseHeader }) {
        responseHeader.set("x-both", "rpc");
        responseHeader.append("vary", "X-Rpc");
        responseHeader.append("set-cookie", "rpc=1");
        yield request;
      },
    });
    const adapter = nodeAdapter({ routes });
    const { url } = await startNodeServer(t, server, (req, res) => {
      res.setHeader("X-Before", "kept");
      res.setHeader("X-Both", "before");
      res.setHeader("Content-Type", "text/plain");
      res.setHeader("Vary", "Origin");
      res.setHeader("Set-Cookie", ["before=1", "before=2"]);
      adapter(req, res);
    });
    const unary = { path: "/fixture.Echo/Say", headers: { "content-type": "application/json" }, body: '"x"' };
    const stream = {
      path: "/fixture.Echo/Repeat",
      headers: { "content-type": "application/connect+json" },
      body: Buffer.from('\0\0\0\0\x03"x"', "latin1"),
    };
    for (const request of [unary, stream]) {
      const { headers } = await send(version, url, request);
      assert.equal(headers["content-type"], request.headers["content-type"]);
      assert.equal(headers["x-before"], "kept");
      assert.equal(headers["x-both"], "rpc");
      assert.equal(headers.vary, "Origin, X-Rpc");
      assert.deepEqual(headers["set-cookie"], ["before=1", "before=2", "rpc=1"]);
      assert.equal(typeof headers.date, "string");
    }
  });

  test(`a body that was parsed before is served, and one that was lost is a clear error, on ${server}`, async (t) => {
    const adapter = nodeAdapter({ routes: callRoutes });
    const { url } = await startNodeServer(t, server, async (req, res) => {
      const text = Buffer.concat(await (req as IncomingMessage).toArray()).toString();
      const { "x-keep": keep } = req.headers;
      if (keep === "json") Object.assign(req, { body: JSON.parse(text) });
      if (keep === "bytes") Object.assign(req, { body: Buffer.from(text) });
      adapter(req, res);
    });
    const call = (headers: Record<string, string>, body = JSON_CALL.body) =>
      send(version, url, { ...JSON_CALL, headers: { ...JSON_CALL.headers, ...headers }, body });
    assert.equal(String((await call({ "x-keep": "json" })).body), '{"sum":3}');
    assert.equal(String((await call({ "x-keep": "bytes" })).body), '{"sum":3}');
    assert.equal(String((await call({ "x-keep": "json", "content-encoding": "gzip" })).body), '{"sum":3}', "inflated");
    const { status, body } = await call({});
    assert.equal(status, 500);
    assert.match(JSON.parse(String(body)).message, /^read the request body: .* put the RPCs before that middleware$/);
    const grpc = await send(version, url, {
      path: ADD,
      headers: { "content-type": "application/grpc" },
      body: Buffer.alloc(5),
    });
    assert.equal(grpc.trailers["grpc-status"] ?? grpc.headers["grpc-status"], "13");
  });

  test(`two adapters in one server have limits of their own, on ${server}`, async (t) => {
    const small = nodeAdapter({ routes: callRoutes, limits: { messageBytes: 4 }, requestPathPrefix: "/a", log() {} });
    const large = nodeAdapter({ routes: callRoutes, requestPathPrefix: "/b", fallback: small });
    const { url } = await startNodeServer(t, server, large);
    assert.equal((await send(version, url, { ...JSON_CALL, path: `/a${ADD}` })).status, 429);
    assert.equal((await send(version, url, { ...JSON_CALL, path: `/b${ADD}` })).status, 200);
    assert.equal((await send(version, url, JSON_CALL)).status, 404);
  });

  test(`messageBytes, and readMaxBytes by its name in Connect, limit a message, and without them any size passes, on ${server}`, async (t) => {
    const routes = echoRoutes({ say: ({ value }) => ({ value: String(value.length) }) });
    const call = (url: string, length: number) =>
      send(version, url, {
        path: "/fixture.Echo/Say",
        headers: { "content-type": "application/json" },
        body: JSON.stringify("x".repeat(length - 2)),
      });
    for (const options of [{ limits: { messageBytes: 100_000 } }, { readMaxBytes: 100_000 }]) {
      const { url } = await startAdapter(t, server, { routes, ...options });
      assert.equal((await call(url, 100_000)).status, 200);
      assert.equal((await call(url, 100_001)).status, 429);
    }
    const { url } = await startAdapter(t, server, { routes, limits: { messageBytes: OFF } });
    assert.equal((await call(url, 100_001)).status, 200);
  });

  for (const [limits, code] of [
    [{ callsInFlight: 1 }, 503],
    [{ callsInFlight: OFF }, 200],
  ] as const) {
    test(`with callsInFlight ${limits.callsInFlight}, a second call gets ${code}, on ${server}`, async (t) => {
      const waiting: (() => void)[] = [];
      const say = (request: { value: string }) =>
        new Promise<{ value: string }>((resolve) => void waiting.push(() => resolve(request)));
      const { url, limits: reached } = await startAdapter(t, server, { routes: echoRoutes({ say }), limits });
      const call = () =>
        send(version, url, { path: "/fixture.Echo/Say", headers: { "content-type": "application/json" }, body: '"x"' });
      const first = call();
      while (waiting.length < 1) await turn();
      const second = call();
      if (code === 200) while (waiting.length < 2) await turn();
      else assert.equal((await second).status, code);
      for (const release of waiting) release();
      assert.equal((await first).status, 200);
      assert.equal((await second).status, code);
      assert.equal(reached.length, code === 200 ? 0 : 1);
    });
  }
}

test("wrong options are a TypeError in a sentence when the adapter is created", () => {
  const create = (options: object) => () => nodeAdapter({ routes: callRoutes, ...options });
  assert.throws(
    create({ fallbak() {} }),
    /^TypeError: nodeAdapter: unknown option 'fallbak'; the options are routes, /,
  );
  assert.throws(create({ fallback: {} }), /^TypeError: nodeAdapter: fallback {} must be a function$/);
  assert.throws(create({ contextValues: 1 }), /^TypeError: nodeAdapter: contextValues 1 must be a function$/);
  assert.throws(create({ limits: { messageBites: 1 } }), /^TypeError: limits\.messageBites: unknown limit/);
  const connections = /^TypeError: nodeAdapter: limits\.connections is not enforced by an adapter, but by the server/;
  assert.throws(create({ limits: { connections: 1 } }), connections);
  assert.throws(() => nodeAdapter({} as never), /^TypeError: nodeAdapter: routes is missing/);
  create({ fallback: undefined, health: undefined, contextValues: undefined })();
});

/** Sends the head of a request and a part of its body, and then nothing for `ms`. Resolves with all that the server sent. */
async function stall(authority: string, ms: number): Promise<string> {
  const socket = await connectTo(authority);
  socket.write(`${HEAD}Content-Length: 100\r\n\r\n{`);
  const timeout = setTimeout(() => socket.destroy(), ms);
  const text = Buffer.concat(await socket.toArray().catch(() => [])).toString();
  clearTimeout(timeout);
  return text;
}

test("requestMs ends a request whose body does not arrive", async (t) => {
  const { authority, limits } = await startAdapter(t, "http.createServer", { limits: { requestMs: 100 } });
  assert.match(await stall(authority, PATIENCE_MS), /^HTTP\/1\.1 408 /);
  assert.match(limits.join(), /^limit requestMs: /);
  const off = await startAdapter(t, "http.createServer", { limits: { requestMs: OFF } });
  assert.equal(await stall(off.authority, 500), "");
});

test("bufferedBytes limits the bodies that are buffered at the same time", async (t) => {
  for (const [bufferedBytes, expected] of [
    [50_000, /^HTTP\/1\.1 503 /],
    [OFF, /^HTTP\/1\.1 400 /],
  ] as const) {
    const { authority, limits } = await startAdapter(t, "http.createServer", { limits: { bufferedBytes } });
    const body = Buffer.alloc(60_000, "x");
    assert.match(
      await exchangeBytes(authority, `${HEAD}Connection: close\r\nContent-Length: 60000\r\n\r\n`, body),
      expected,
    );
    assert.equal(limits.length, bufferedBytes === OFF ? 0 : 1);
  }
});

for (const server of ["http.createServer", "http2.createServer"] as const) {
  test(`queuedBytesPerConnection closes the connection of a client that does not read, on ${server}`, async (t) => {
    for (const queuedBytesPerConnection of [1_000_000, OFF]) {
      const routes = echoRoutes({ say: () => ({ value: "x".repeat(8_000_000) }) });
      const { authority, limits } = await startAdapter(t, server, { routes, limits: { queuedBytesPerConnection } });
      const ms = queuedBytesPerConnection === OFF ? 500 : PATIENCE_MS;
      const closed = server === "http2.createServer" ? await stuck2(t, authority, ms) : await stuck1(t, authority);
      assert.equal(closed, queuedBytesPerConnection !== OFF);
      assert.equal(limits.length, closed ? 1 : 0);
    }
  });
}

/**
 * Makes a call without reading the response for a while. Resolves with true if the server closes the connection before the
 * whole response has arrived.
 */
async function stuck1(t: TestContext, authority: string): Promise<boolean> {
  const socket = await connectTo(authority);
  t.after(() => socket.destroy());
  const { promise: whole, resolve } = Promise.withResolvers<boolean>();
  socket
    .pause()
    .on("error", () => {})
    .on("close", () => resolve(true));
  const head = "POST /fixture.Echo/Say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  socket.write(`${head}Content-Length: 3\r\n\r\n"x"`);
  await sleep(600);
  let bytes = 0;
  socket.on("data", ({ length }) => {
    bytes += length;
    if (bytes > 8_000_000) resolve(false);
  });
  socket.resume();
  return whole;
}

/** Makes a call with windows of 0 bytes. Resolves with true if the server closes the connection within `ms`. */
async function stuck2(t: TestContext, authority: string, ms: number): Promise<boolean> {
  const session = http2.connect(`http://${authority}`, { settings: { initialWindowSize: 0 } }).on("error", () => {});
  t.after(() => session.destroy());
  const headers = { ":method": "POST", ":path": "/fixture.Echo/Say", "content-type": "application/json" };
  const stream = session.request(headers).on("error", () => {});
  stream.end('"x"');
  await Promise.race([once(session, "close"), sleep(ms, undefined, { ref: false })]);
  return session.closed;
}

for (const server of ["http.createServer", "http2.createServer"] as const) {
  test(`a client that reads too slowly is disconnected, and without readBytesPerSecond it is not, on ${server}`, async (t) => {
    for (const readBytesPerSecond of [1_000_000, 0]) {
      const routes = echoRoutes({ say: () => ({ value: "x".repeat(8_000_000) }) });
      const limits = { readBytesPerSecond, readRateMs: 200 };
      const { authority, limits: reached } = await startAdapter(t, server, { routes, limits });
      const ms = readBytesPerSecond === 0 ? 500 : PATIENCE_MS;
      const closed = server === "http2.createServer" ? await stuck2(t, authority, ms) : await stuck1(t, authority);
      assert.equal(closed, readBytesPerSecond > 0);
      assert.equal(reached.length, readBytesPerSecond > 0 ? 1 : 0);
    }
  });
}

for (const server of ["http.createServer", "http2.createServer"] as const) {
  test(`close of the server waits for the calls in flight, on ${server}`, async (t) => {
    const waiting: (() => void)[] = [];
    const say = (request: { value: string }) =>
      new Promise<{ value: string }>((resolve) => void waiting.push(() => resolve(request)));
    const { server: running, url } = await startAdapter(t, server, { routes: echoRoutes({ say }) });
    const version = server === "http2.createServer" ? "HTTP/2" : "HTTP/1.1";
    const call = send(version, url, {
      path: "/fixture.Echo/Say",
      headers: { "content-type": "application/json" },
      body: '"x"',
    });
    while (waiting.length < 1) await turn();
    let isClosed = false;
    running.close(() => {
      isClosed = true;
    });
    await sleep(50);
    assert.equal(isClosed, false);
    for (const release of waiting) release();
    assert.equal((await call).status, 200);
    while (!isClosed) await turn();
  });
}

for (const server of ["http.createServer", "http2.createServer"] as const) {
  test(`a connection is forgotten when it closes, and an open one is not, on ${server}`, async (t) => {
    const collectGarbage = runInNewContext("gc") as () => void;
    const connections: WeakRef<object>[] = [];
    const adapter = nodeAdapter({ routes: callRoutes });
    const { authority } = await startNodeServer(t, server, (req, res) => {
      connections.push(new WeakRef("stream" in res ? (res.stream.session as object) : req.socket));
      adapter(req, res);
    });
    const open = await connectTo(authority);
    t.after(() => open.destroy());
    if (server === "http.createServer") {
      open.write(`${HEAD}Content-Length: 13\r\n\r\n${JSON_CALL.body}`);
      await once(open, "data");
    }
    const version = server === "http.createServer" ? "HTTP/1.1" : "HTTP/2";
    for (let i = 0; i < 20; i++) await send(version, authority, JSON_CALL);
    const alive = () => connections.filter((connection) => connection.deref() !== undefined).length;
    const expected = server === "http.createServer" ? 1 : 0;
    for (let i = 0; i < 100 && alive() > expected + 1; i++) {
      await sleep(10);
      collectGarbage();
    }
    assert.ok(alive() <= expected + 1, `${alive()} connections are still there`); // V8 may keep the newest a while
    assert.ok(alive() >= expected);
  });
}

test("middleware that replaces writeHead sees the headers of the response", async (t) => {
  const adapter = nodeAdapter({ routes: callRoutes });
  const { authority } = await startNodeServer(t, "http.createServer", (req, response) => {
    const res = response as ServerResponse;
    const { writeHead } = res;
    res.writeHead = (status: number) =>
      writeHead.call(res.setHeader("x-seen", `${res.getHeader("content-type")}`), status);
    adapter(req, res);
  });
  const { headers } = await send("HTTP/1.1", authority, JSON_CALL);
  assert.deepEqual([headers["x-seen"], headers["content-type"]], ["application/json", "application/json"]);
});

for (const [path, type] of [
  ["Say", "application/json"],
  ["Join", "application/connect+json"],
]) {
  test(`a request of ${path} that middleware has paused is read`, async (t) => {
    const adapter = nodeAdapter({
      routes: echoRoutes({
        say: (request) => request,
        async join(requests) {
          const [first] = await Array.fromAsync(requests);
          return first ?? {};
        },
      }),
    });
    const { authority } = await startNodeServer(t, "http.createServer", async (req, res) => {
      req.pause();
      await turn();
      adapter(req, res);
    });
    const message = Buffer.from('"hello"');
    const body = path === "Say" ? message : envelope(message);
    const headers = { "content-type": type as string };
    const response = await send("HTTP/1.1", authority, { path: `/fixture.Echo/${path}`, headers, body });
    assert.match(response.body.toString(), /"hello"/);
  });
}

test("a client that has disconnected before the adapter is called gets no handler", async (t) => {
  let calls = 0;
  const adapter = nodeAdapter({
    routes: echoRoutes({
      say(request) {
        calls++;
        return request;
      },
    }),
  });
  const called = Promise.withResolvers<void>();
  const { authority } = await startNodeServer(t, "http.createServer", async (req, res) => {
    await once(req.socket, "close");
    adapter(req, res);
    called.resolve();
  });
  const socket = await connectTo(authority);
  socket.write("GET /fixture.Echo/Say?connect=v1&encoding=json&message=%22x%22 HTTP/1.1\r\nHost: x\r\n\r\n");
  await sleep(20);
  socket.destroy();
  await called.promise;
  await turn();
  assert.equal(calls, 0);
});

test("a response that something else has begun is left alone", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const say = async (request: { value: string }) => {
    await promise;
    return request;
  };
  const adapter = nodeAdapter({ routes: echoRoutes({ say }) });
  const { authority } = await startNodeServer(t, "http.createServer", (req, res) => {
    adapter(req, res);
    setTimeout(() => {
      res.statusCode = 503;
      (res as ServerResponse).write("too ");
      resolve();
      setTimeout(() => res.end("late"), 20);
    }, 20);
  });
  const head = "POST /fixture.Echo/Say HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
  const text = await exchangeBytes(authority, `${head}Content-Length: 3\r\n\r\n"x"`);
  assert.match(text, /^HTTP\/1\.1 503 /);
  assert.match(text, /too .*late/s);
});

function fail(): never {
  throw new Error("broken");
}
