/** Calls above `callsInFlight` are rejected immediately. Health and reflection are exempt. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http1 from "node:http";
import http2 from "node:http2";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { CELLS, callIn, envelope, isGrpc } from "../support/cells.ts";
import { type HttpVersion, send } from "../support/http.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo, turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const PATH = "/fixture.Echo/Say";
const OFF = Number.POSITIVE_INFINITY;

for (const fastPath of [true, false]) {
  const way = fastPath ? "with" : "without";
  for (const cell of CELLS) {
    test(`a call above callsInFlight is rejected with a time to retry, and the call in flight succeeds, ${way} the fast path, in ${cell.name}`, async (t) => {
      const handler = holding();
      const { authority, limits } = await startServer(t, {
        fastPath,
        limits: { callsInFlight: 1 },
        routes: handler.routes,
      });
      const message = Buffer.from(cell.codec === "json" ? '"hi"' : "\x0a\x02hi");
      const first = callIn(cell, authority, { path: PATH, message });
      while (handler.running < 1) await turn();
      const refused = await callIn(cell, authority, { path: PATH, message });
      assert.equal(refused.code, "unavailable");
      assert.match(refused.message, /^call \/fixture\.Echo\/Say: 1 calls are in flight, which is the maximum$/);
      const { headers, trailers, body } = refused.response;
      const told = isGrpc(cell) ? "grpc-retry-pushback-ms" : "retry-after";
      const fields = `${JSON.stringify({ ...headers, ...trailers })}${body.toString("latin1")}`;
      assert.match(fields, new RegExp(`${told}("?: ?"?)1`));
      assert.equal(handler.running, 1, "the handler of a rejected call did not run");
      handler.release();
      assert.equal((await first).code, "ok");
      assert.equal((await callIn(cell, authority, { path: PATH, message })).code, "ok", "after the first call");
      assert.match(limits.join("\n"), /^limit callsInFlight: call \/fixture\.Echo\/Say: /);
    });
  }

  test(`without callsInFlight a second call runs, ${way} the fast path`, async (t) => {
    const handler = holding();
    const { url } = await startServer(t, { fastPath, limits: { callsInFlight: OFF }, routes: handler.routes });
    const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
    const calls = [client.say({ value: "1" }), client.say({ value: "2" })];
    while (handler.running < 2) await turn();
    handler.release();
    await Promise.all(calls);
  });

  test(`health and reflection still respond when callsInFlight is reached, ${way} the fast path`, async (t) => {
    const handler = holding();
    const { url } = await startServer(t, { fastPath, limits: { callsInFlight: 2 }, routes: handler.routes });
    const transport = createGrpcTransport({ baseUrl: url });
    const calls = [1, 2].map((value) => createClient(Echo, transport).say({ value: String(value) }));
    while (handler.running < 2) await turn();
    assert.equal((await createClient(Health, transport).check({})).status, 1);
    const leave = new AbortController();
    const watch = createClient(Health, transport).watch({}, { signal: leave.signal });
    assert.equal((await watch[Symbol.asyncIterator]().next()).value?.status, 1);
    for await (const response of createClient(ServerReflection, transport).serverReflectionInfo(asking())) {
      assert.equal(response.messageResponse.case, "listServicesResponse");
    }
    leave.abort();
    handler.release();
    await Promise.all(calls);
  });
}

for (const [streams, limits] of [
  ["callsInFlight also limits the streams of health and reflection", { callsInFlight: 2 }],
  ["without callsInFlight every stream of health and reflection succeeds", { callsInFlight: OFF }],
] as const) {
  test(`${streams}, and other calls succeed`, async (t) => {
    const { url } = await startServer(t, { limits, routes: echoRoutes({ say: (request) => request }) });
    const transport = createGrpcTransport({ baseUrl: url });
    const leave = new AbortController();
    const watches = [1, 2, 3].map(() => createClient(Health, transport).watch({}, { signal: leave.signal }));
    const codes: (Code | undefined)[] = [];
    for (const watch of watches) {
      const first = watch[Symbol.asyncIterator]().next();
      codes.push(
        await first.then(
          () => undefined,
          ({ code }: ConnectError) => code,
        ),
      );
    }
    assert.deepEqual(codes, [undefined, undefined, limits.callsInFlight === OFF ? undefined : Code.Unavailable]);
    assert.equal((await createClient(Health, transport).check({})).status, 1);
    assert.equal((await createClient(Echo, transport).say({ value: "a" })).value, "a");
    leave.abort();
  });
}

for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
  test(`a stream is counted until its handler ends, even after its deadline, over ${http}`, async (t) => {
    const handler = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const { url, authority } = await startServer(t, {
      limits: { callsInFlight: 1 },
      routes: echoRoutes({
        async *repeat(request, { signal }) {
          signal.addEventListener("abort", () => aborted.resolve());
          await handler.promise;
          yield request;
        },
        say: (request) => request,
      }),
    });
    const headers = { "content-type": "application/grpc-web+proto", "grpc-timeout": "20m" };
    const body = envelope(Buffer.from("\x0a\x02hi"));
    const stream = send(http, authority, { path: "/fixture.Echo/Repeat", headers, body });
    await aborted.promise;
    const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
    await assert.rejects(client.say({ value: "beside" }), { code: Code.Unavailable });
    handler.resolve();
    await stream;
    assert.equal((await client.say({ value: "after" })).value, "after");
  });
}

test("a stream is counted until it has ended", async (t) => {
  const { url } = await startServer(t, {
    limits: { callsInFlight: 1 },
    routes: echoRoutes({
      async *chat(requests) {
        yield* requests;
      },
      say: (request) => request,
    }),
  });
  const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
  const end = Promise.withResolvers<void>();
  const responses = client.chat(until(end.promise))[Symbol.asyncIterator]();
  assert.equal((await responses.next()).value?.value, "first");
  await assert.rejects(client.say({ value: "beside" }), { code: 14 });
  end.resolve();
  assert.equal((await responses.next()).done, true);
  assert.equal((await client.say({ value: "after" })).value, "after");
});

for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
  for (const [protocol, timeout] of [
    ["grpc", { "grpc-timeout": "0S" }],
    ["grpc-web", { "grpc-timeout": "0m" }],
    ["connect", { "connect-timeout-ms": "0" }],
  ] as const) {
    test(`a stream whose deadline has passed before it starts is not counted, by ${protocol} over ${http}`, async (t) => {
      let running = 0;
      const { url, authority } = await startServer(t, {
        limits: { callsInFlight: 1 },
        routes: echoRoutes({
          async *repeat(request) {
            running++;
            yield request;
          },
          say: (request) => request,
        }),
      });
      const headers = { "content-type": `application/${protocol}+proto`, ...timeout };
      for (let i = 0; i < 3; i++) {
        await send(http, authority, {
          path: "/fixture.Echo/Repeat",
          headers,
          body: envelope(Buffer.from("\x0a\x02hi")),
        });
      }
      const { value } = await createClient(Echo, createGrpcTransport({ baseUrl: url })).say({ value: "after" });
      assert.equal(value, "after");
      assert.equal(running, 0);
    });
  }
}

for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
  test(`a stream whose headers cannot be sent is not counted any more, over ${http}`, async (t) => {
    const { url, authority, log } = await startServer(t, {
      http2: "built-in", // node:http2 sends it
      limits: { callsInFlight: 1 },
      routes: echoRoutes({
        async *repeat(request, { responseHeader }) {
          responseHeader.set("x-header", "a\x01b"); // which Headers accepts
          yield request;
        },
        say: (request) => request,
      }),
    });
    const headers = { "content-type": "application/grpc-web+proto" };
    const request = { path: "/fixture.Echo/Repeat", headers, body: envelope(Buffer.from("\x0a\x02hi")) };
    await assert.rejects(send(http, authority, request));
    assert.match(log.splice(0).join("\n"), /^respond to \/fixture\.Echo\/Repeat: .*x-header/);
    const { value } = await createClient(Echo, createGrpcTransport({ baseUrl: url })).say({ value: "after" });
    assert.equal(value, "after");
  });
}

test("without the fast path the limit is checked again when the message has arrived", async (t) => {
  const handler = holding();
  const { authority } = await startServer(t, { fastPath: false, limits: { callsInFlight: 1 }, routes: handler.routes });
  const head = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"hi`;
  const sockets = await Promise.all(Array.from({ length: 3 }, () => connectTo(authority)));
  for (const socket of sockets) socket.write(head);
  await turns(10);
  for (const socket of sockets) {
    socket.write('"');
    await turns(10);
  }
  while (handler.running < 1) await turn();
  await turns(10);
  assert.equal(handler.running, 1);
  handler.release();
  const responses = await Promise.all(
    sockets.map(async (socket) => String((await once(socket, "data"))[0]).split(" ")[1]),
  );
  for (const socket of sockets) socket.destroy();
  assert.deepEqual(responses.sort(), ["200", "503", "503"]);
});

for (const http of ["HTTP/1.1", "HTTP/2"] as const) {
  test(`a stream whose client sends nothing more ends at its deadline, over ${http}`, async (t) => {
    const ended = Promise.withResolvers<unknown>();
    const { authority } = await startServer(t, {
      routes: echoRoutes({
        async join(requests) {
          try {
            for await (const _ of requests);
          } catch (error) {
            ended.resolve(error);
            throw error;
          }
          return {};
        },
      }),
    });
    const { status, trailer } = await unfinished(http, authority, {
      "content-type": "application/grpc-web+proto",
      "grpc-timeout": "50m",
    });
    assert.deepEqual([status, /grpc-status: ?(\d+)/.exec(trailer)?.[1]], [200, "4"]);
    assert.equal(((await ended.promise) as ConnectError).code, Code.DeadlineExceeded);
  });
}

/** Sends only the headers of a call of Join. Returns the status and the trailer of the response. */
async function unfinished(http: HttpVersion, authority: string, headers: Record<string, string>) {
  const path = "/fixture.Echo/Join";
  if (http === "HTTP/2") {
    const session = http2.connect(`http://${authority}`);
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    const [response] = await once(stream, "response");
    const trailer = Buffer.concat(await stream.toArray()).toString();
    session.destroy();
    return { status: response[":status"], trailer };
  }
  const request = http1.request(`http://${authority}${path}`, { method: "POST", headers });
  request.flushHeaders();
  const [response] = await once(request, "response");
  const [trailer] = await once(response, "data");
  request.destroy();
  return { status: response.statusCode, trailer: String(trailer) };
}

/** Returns routes whose handlers run until `release` is called. */
function holding() {
  const held = Promise.withResolvers<void>();
  const handler = {
    running: 0,
    release: () => held.resolve(),
    routes: echoRoutes({
      async say(request) {
        handler.running++;
        await held.promise;
        handler.running--;
        return request;
      },
    }),
  };
  return handler;
}

async function* asking() {
  yield { messageRequest: { case: "listServices", value: "*" } } as const;
}

async function* until(end: Promise<void>) {
  yield { value: "first" };
  await end;
}
