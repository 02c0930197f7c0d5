/** Registrations that conflict with another one, or that have options like the server's own. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  createClient,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.ts";
import type { Routes } from "../../src/server/rpc/options.ts";
import { createServer } from "../../src/server/server.ts";
import { CELLS, type Cell, callIn } from "../support/cells.ts";
import { send } from "../support/http.ts";
import { Echo } from "../support/protos.ts";
import { turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { startStock } from "../support/stock.ts";

const SAY = "/fixture.Echo/Say";
const HI = Buffer.from("\x0a\x02hi");
const HTTP2_CELLS = CELLS.filter(({ http }) => http === "HTTP/2");
const GRPC = HTTP2_CELLS.find(({ name }) => name === "gRPC proto over HTTP/2") as Cell;
const echo = { say: <T>(request: T): T => request };

for (const [name, routes] of [
  ["service after service", (router) => router.service(Echo, echo).service(Echo, echo)],
  ["rpc after service", (router) => router.service(Echo, echo).rpc(Echo.method.say, echo.say)],
  ["rpc after rpc", (router) => router.rpc(Echo.method.say, echo.say).rpc(Echo.method.say, echo.say)],
  ["service without it after rpc", (router) => router.rpc(Echo.method.say, echo.say).service(Echo, {})],
] as const satisfies readonly (readonly [string, Routes])[]) {
  test(`createServer rejects routes that register a procedure twice: ${name}`, () => {
    assert.throws(() => createServer({ routes }), /^Error: register \/fixture\.Echo\/Say: it is already registered/);
  });
}

test("a method that router.service left out may be registered by router.rpc", async (t) => {
  const { authority } = await startServer(t, {
    routes: (router) => router.service(Echo, {}).rpc(Echo.method.say, echo.say),
  });
  for (const cell of HTTP2_CELLS.filter(({ codec }) => codec === "proto")) {
    assert.equal((await callIn(cell, authority, { path: SAY, message: HI })).code, "ok", cell.name);
  }
});

for (const fastPath of [true, false]) {
  const way = `${fastPath ? "with" : "without"} the fast path`;

  test(`a health service of the routes replaces that of the server, and is counted like other services, ${way}`, async (t) => {
    let intercepted = 0;
    const { url, server } = await startServer(t, {
      fastPath,
      limits: { callsInFlight: 1 },
      interceptors: [
        (next) => (request) => {
          intercepted++;
          return next(request);
        },
      ],
      routes(router) {
        router.service(Health, {
          check: () => ({ status: ServingStatus.NOT_SERVING }),
          async *watch(_, { signal }) {
            yield { status: ServingStatus.UNKNOWN };
            if (!signal.aborted) await once(signal, "abort");
          },
        });
      },
    });
    const client = createClient(Health, createGrpcTransport({ baseUrl: url }));
    server.health.set("", "serving");
    assert.equal((await client.check({})).status, ServingStatus.NOT_SERVING);
    assert.equal(intercepted, 1);
    assert.equal(server.services.filter(({ typeName }) => typeName === Health.typeName).length, 1);
    const leave = new AbortController();
    const watch = client.watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
    assert.equal((await watch.next()).value?.status, ServingStatus.UNKNOWN);
    await assert.rejects(client.check({}), { code: Code.Unavailable }); // counted in callsInFlight
    leave.abort();
  });

  test(`a reflection service of the routes replaces that of the server with the same version, ${way}`, async (t) => {
    const { url, server } = await startServer(t, {
      fastPath,
      routes(router) {
        router.service(ServerReflection, {
          async *serverReflectionInfo() {
            yield { validHost: "mine" };
          },
        });
      },
    });
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: url }));
    const responses = await Array.fromAsync(client.serverReflectionInfo((async function* () {})()));
    assert.deepEqual(
      responses.map(({ validHost }) => validHost),
      ["mine"],
    );
    const names = server.services.map(({ typeName }) => typeName).filter((name) => name.includes("reflection"));
    assert.deepEqual(names, ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]);
  });

  test(`only a number for readMaxBytes of a registration exceeds messageBytes, for unary calls and streams, ${way}`, async (t) => {
    const value = "x".repeat(100_000);
    async function* twice() {
      yield { value };
      yield { value };
    }
    const start = (options: Partial<ConnectRouterOptions>) =>
      startServer(t, {
        fastPath,
        limits: { messageBytes: 1_000 },
        routes: (router) =>
          router.service(
            Echo,
            {
              ...echo,
              async join(requests) {
                const all = await Array.fromAsync(requests);
                return { value: String(all.length) };
              },
            },
            options,
          ),
      });
    const unset: object = { readMaxBytes: undefined }; // the type of the option excludes undefined
    const [raised, ...others] = await Promise.all([start({ readMaxBytes: 200_000 }), start({}), start(unset)]);
    const client = createClient(Echo, createGrpcTransport({ baseUrl: raised.url }));
    assert.equal((await client.say({ value })).value.length, 100_000);
    assert.equal((await client.join(twice())).value, "2");
    for (const { url } of others) {
      const without = createClient(Echo, createGrpcTransport({ baseUrl: url }));
      await assert.rejects(without.say({ value }), { code: Code.ResourceExhausted });
      await assert.rejects(without.join(twice()), { code: Code.ResourceExhausted });
    }
  });

  for (const whose of ["a registration", "the server"] as const) {
    test(`the shutdown signal of ${whose} reaches handlers of a registration that has one, ${way}`, async (t) => {
      const shutdown = new AbortController();
      const running = Promise.withResolvers<void>();
      const { server, authority } = await startServer(t, {
        fastPath,
        routes: (router) =>
          router.service(
            Echo,
            {
              async say(_, { signal }) {
                running.resolve();
                await once(signal, "abort");
                throw signal.reason;
              },
            },
            { shutdownSignal: shutdown.signal },
          ),
      });
      const outcome = callIn(GRPC, authority, { path: SAY, message: HI });
      await running.promise;
      if (whose === "a registration") shutdown.abort(new ConnectError("mine", Code.Aborted));
      else void server.close({ idleMs: 0, graceMs: 1_000, abortMs: 900 });
      assert.equal((await outcome).code, whose === "a registration" ? "aborted" : "unavailable");
    });
  }

  test(`the gate of a registration runs once, and a malformed call gets its response headers too, ${way}`, async (t) => {
    let runs = 0;
    const requestGate = async ({ responseHeader, responseTrailer }: HandlerContext): Promise<void> => {
      runs++;
      responseHeader.append("set-cookie", "a=1");
      responseHeader.append("set-cookie", "b=2");
      await sleep(1);
      responseTrailer.set("x-gate", "passed");
    };
    const { authority } = await startServer(t, {
      fastPath,
      routes: (router) => router.service(Echo, echo, { requestGate, readMaxBytes: 100 }),
    });
    for (const cell of HTTP2_CELLS.filter(({ codec }) => codec === "proto")) {
      for (const [message, code] of [
        [HI, "ok"],
        [Buffer.of(0x0a), "invalid_argument"],
        [Buffer.alloc(1_000), "resource_exhausted"],
      ] as const) {
        runs = 0;
        const { code: got, response } = await callIn(cell, authority, { path: SAY, message });
        assert.deepEqual([got, runs], [code, 1], cell.name);
        assert.deepEqual(response.headers["set-cookie"], ["a=1", "b=2"], cell.name);
        assert.match(JSON.stringify([response.headers, response.trailers]) + response.body, /x-gate"?: ?"?passed/);
      }
    }
  });

  test(`a gate rejects a call before the body has arrived, ${way}`, async (t) => {
    const { authority } = await startServer(t, {
      fastPath,
      routes: (router) =>
        router.service(Echo, echo, {
          requestGate() {
            throw new ConnectError("not you", Code.Unauthenticated);
          },
        }),
    });
    const session = http2.connect(`http://${authority}`);
    t.after(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": SAY, "content-type": "application/proto" });
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    assert.equal(headers[":status"], 401);
    stream.close();
  });

  test(`a call ends at its deadline while its gate waits, and the gate is counted in callsInFlight until it settles, ${way}`, async (t) => {
    const released = Promise.withResolvers<void>();
    const { authority } = await startServer(t, {
      fastPath,
      limits: { callsInFlight: 1, deadlineMs: 100 },
      routes: (router) => router.service(Echo, echo, { requestGate: () => released.promise }),
    });
    for (const http of ["HTTP/2", "HTTP/1.1"] as const) {
      const cell = { ...GRPC, http };
      if (http === "HTTP/2")
        assert.equal((await callIn(cell, authority, { path: SAY, message: HI })).code, "deadline_exceeded");
      assert.equal((await callIn(cell, authority, { path: SAY, message: HI })).code, "unavailable");
    }
    released.resolve();
    await turns();
    assert.equal((await callIn(GRPC, authority, { path: SAY, message: HI })).code, "ok");
  });

  test(`an exception of a gate is logged, and its ConnectError keeps its code, ${way}`, async (t) => {
    let error: Error = new TypeError("the database is on fire");
    const { authority, log, limits } = await startServer(t, {
      fastPath,
      routes: (router) => router.service(Echo, echo, { requestGate: () => Promise.reject(error) }),
    });
    const call = async () => {
      const { code, message } = await callIn(GRPC, authority, { path: SAY, message: HI });
      return [code, message];
    };
    assert.deepEqual(await call(), ["internal", "internal error"]);
    assert.match(log.splice(0).join("\n"), /^handle \/fixture\.Echo\/Say by grpc: TypeError: the database is on fire/);
    error = new ConnectError("parse binary: too many calls", Code.ResourceExhausted);
    assert.deepEqual(await call(), ["resource_exhausted", "parse binary: too many calls"]);
    assert.deepEqual(limits, []);
  });

  test(`interceptors of a registration replace the server's, as in Connect, ${way}`, async (t) => {
    const adding =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        const response = await next(request);
        response.header.append("x-passed", name);
        return response;
      };
    const interceptors = [adding("server")];
    for (const [options, passed] of [
      [{}, "server"],
      [{ interceptors: [adding("own")] }, "own"],
      [{ interceptors: [] }, undefined],
      [{ interceptors: undefined as never }, undefined],
    ] as [ConnectRouterOptions, string | undefined][]) {
      const routes: Routes = (router) => router.service(Echo, echo, options);
      const { authority } = await startServer(t, { fastPath, interceptors, routes });
      const stock = await startStock(t, "HTTP/2", { routes, interceptors });
      for (const to of [authority, stock]) {
        const { response } = await callIn(GRPC, to, { path: SAY, message: HI });
        assert.equal(response.headers["x-passed"], passed);
      }
    }
  });

  test(`a 415 names the content types of the enabled protocols, ${way}`, async (t) => {
    const { authority } = await startServer(t, {
      fastPath,
      routes: (router) => router.service(Echo, echo, { grpc: false } as object),
    });
    const headers = { "content-type": "application/grpc" };
    const { status, headers: got } = await send("HTTP/2", authority, { path: SAY, headers, body: "" });
    assert.deepEqual(
      [status, got["accept-post"]],
      [
        415,
        "application/proto, application/json, application/grpc-web, application/grpc-web+proto, application/grpc-web+json",
      ],
    );
  });
}
