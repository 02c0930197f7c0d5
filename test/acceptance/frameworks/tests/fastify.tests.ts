/** The plugin in Fastify: hooks, prefixes, content types, injected requests, closing, and the types of Fastify. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient, createContextKey, createContextValues } from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { type FastifyInstance, type FastifyRequest, fastify } from "fastify";
import { fastify as fastify4 } from "fastify4";
import { fastifyPlugin } from "../../../../src/package/node.ts";
import { callRoutes } from "../../../support/call-service.ts";
import { envelope } from "../../../support/cells.ts";
import { type HttpVersion, send } from "../../../support/http.ts";
import { Echo, echoRoutes } from "../../../support/protos.ts";

declare module "fastify" {
  interface FastifyRequest {
    user?: string;
  }
}

type Plugin = typeof fastifyConnectPlugin;

const ADD = "/calls.v1.CallService/Add";
const SAY = "/fixture.Echo/Say";
const JSON_ADD = { path: ADD, headers: { "content-type": "application/json" }, body: '{"a":1,"b":2}' };
const REPEAT = {
  path: "/fixture.Echo/Repeat",
  headers: { "content-type": "application/connect+json" },
  body: envelope(Buffer.from('"x"')),
};
const PLUGINS: readonly Plugin[] = [fastifyConnectPlugin, fastifyPlugin];
const FASTIFY = {
  "Fastify 5": { create: fastify, version: "HTTP/1.1" },
  "Fastify 5 over HTTP/2": {
    create: (options = {}) => fastify({ http2: true, ...options }) as never,
    version: "HTTP/2",
  },
  "Fastify 4": { create: fastify4 as never, version: "HTTP/1.1" },
} as const satisfies Record<string, { create: (options?: object) => FastifyInstance; version: HttpVersion }>;

const say = (text: string, headers: Record<string, string> = {}) => ({
  path: SAY,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(text),
});

async function listen(t: TestContext, app: FastifyInstance): Promise<string> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => app.close());
  return `127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

for (const [name, { create, version }] of Object.entries(FASTIFY)) {
  test(`the same hooks run as for the plugin of Connect, in ${name}`, async (t) => {
    const routes = echoRoutes({
      say({ value }) {
        if (value === "throw") throw new ConnectError("no", Code.NotFound);
        return { value };
      },
      async *repeat(request) {
        yield request;
      },
    });
    const seen = [];
    for (const plugin of PLUGINS) {
      const ran: string[] = [];
      const app = create();
      for (const hook of [
        "onRequest",
        "preParsing",
        "preValidation",
        "preHandler",
        "onSend",
        "onError",
        "onResponse",
      ] as const) {
        app.addHook(hook as "onRequest", (request, reply, ...rest: unknown[]) => {
          ran.push(`${hook} ${request.url} ${hook === "onResponse" ? reply.statusCode : ""}`);
          (rest.at(-1) as () => void)();
        });
      }
      await app.register(plugin, { routes });
      const authority = await listen(t, app);
      await send(version, authority, say("x"));
      await send(version, authority, say("throw"));
      await send(version, authority, REPEAT);
      while (ran.length < 15) await sleep(1);
      seen.push(ran);
    }
    assert.equal(seen[1]?.length, 15);
    assert.deepEqual(seen[1], seen[0]);
  });

  test(`headers of the reply are sent, also those set during the call, and none twice, in ${name}`, async (t) => {
    for (const plugin of PLUGINS) {
      const app = create();
      const storage = new AsyncLocalStorage<{ header(name: string, value: string): unknown }>();
      app.addHook("onRequest", (_, reply, done) => {
        reply.headers({ "x-hook": "yes", "content-type": "text/plain", vary: "Origin", "x-both": "hook" });
        reply.header("set-cookie", "a=1").header("set-cookie", "b=2");
        storage.run(reply, done);
      });
      const routes = echoRoutes({
        say(request, { responseHeader }) {
          storage.getStore()?.header("x-late", "yes");
          responseHeader.set("x-both", "rpc");
          return request;
        },
        async *repeat(request, { responseHeader }) {
          storage.getStore()?.header("x-late", "yes");
          responseHeader.set("x-both", "rpc");
          yield request;
        },
      });
      await app.register(plugin, { routes });
      const authority = await listen(t, app);
      for (const request of [say("x"), REPEAT]) {
        const { headers } = await send(version, authority, request);
        const {
          "x-hook": hook,
          "x-late": late,
          "x-both": both,
          "content-type": type,
          vary,
          "set-cookie": cookies,
        } = headers;
        assert.deepEqual(
          [hook, late, both, type, vary, cookies],
          ["yes", "yes", "rpc", request.headers["content-type"], "Origin", ["a=1", "b=2"]],
        );
      }
    }
  });

  test(`a hook can refuse a call, and an error of a hook goes to the error handler, in ${name}`, async (t) => {
    const app = create();
    app.setErrorHandler((error, _, reply) => reply.code(418).send({ told: (error as Error).message }));
    app.addHook("preHandler", async ({ headers }, reply) => {
      if (headers["x-refuse"] === "reply") return reply.code(401).send({ no: true });
      if (headers["x-refuse"] === "throw") throw new Error("thrown");
    });
    await app.register(fastifyPlugin, { routes: echoRoutes({ say: (request) => request }) });
    const authority = await listen(t, app);
    for (const [refuse, expected] of [
      ["reply", [401, '{"no":true}']],
      ["throw", [418, '{"told":"thrown"}']],
      ["", [200, '"x"']],
    ] as const) {
      const { status, body } = await send(version, authority, say("x", { "x-refuse": refuse }));
      assert.deepEqual([status, String(body)], expected);
    }
  });

  test(`prefixes, also with parameters, and paths in other spellings reach the procedure, in ${name}`, async (t) => {
    const routes = echoRoutes({ say: (_, { url }) => ({ value: new URL(url).pathname }) });
    const seen = [];
    for (const plugin of PLUGINS) {
      const app = create({ caseSensitive: false, ignoreTrailingSlash: true });
      await app.register(plugin, { routes });
      await app.register(plugin, { routes, prefix: "/api" });
      await app.register(async (scope) => void (await scope.register(plugin, { routes, prefix: "/tenant/:name" })), {
        prefix: "/v1",
      });
      const authority = await listen(t, app);
      const results = [];
      for (const prefix of ["", "/api", "/v1/tenant/ada", "/v1/tenant/bob"]) {
        for (const path of [
          `${prefix}${SAY}`,
          `${prefix}${SAY}/`,
          `${prefix}${SAY.toLowerCase()}`,
          `${prefix}/fixture.Echo/%53ay`,
        ]) {
          const { status, body } = await send(version, authority, { ...say(""), path });
          results.push(`${status} ${body}`);
        }
        const get = `${prefix}${SAY}?connect=v1&encoding=json&message=%22%22`;
        const { status, body } = await send(version, authority, { method: "GET", path: get });
        results.push(`${status} ${body}`);
      }
      seen.push(results);
    }
    assert.equal(seen[1]?.filter((result) => result.startsWith("200 ")).length, 20);
    assert.deepEqual(seen[1], seen[0]);
  });

  test(`contextValues gets Fastify's request, in ${name}`, async (t) => {
    const key = createContextKey("none");
    const app = create();
    app.decorateRequest("user");
    app.addHook("onRequest", async (request) => {
      request.user = "ada";
    });
    const routes = echoRoutes({ say: (_, { values }) => ({ value: values.get(key) }) });
    await app.register(fastifyPlugin, {
      routes,
      contextValues: (request: FastifyRequest) => createContextValues().set(key, `${request.user} ${request.method}`),
    });
    assert.equal(String((await send(version, await listen(t, app), say(""))).body), '"ada POST"');
  });

  test(`parsers of other routes stay as they are, and one for JSON does not disturb calls, in ${name}`, async (t) => {
    const app = create();
    app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) =>
      done(null, { raw: String(body) }),
    );
    await app.register(fastifyPlugin, { routes: callRoutes });
    app.post("/other", async ({ body }) => body);
    const authority = await listen(t, app);
    assert.equal(String((await send(version, authority, JSON_ADD)).body), '{"sum":3}');
    const other = await send(version, authority, { ...JSON_ADD, path: "/other" });
    assert.deepEqual(JSON.parse(String(other.body)), { raw: JSON_ADD.body });
  });

  test(`handlers run in the AsyncLocalStorage of a hook, in ${name}`, async (t) => {
    const storage = new AsyncLocalStorage<string>();
    const routes = echoRoutes({ say: () => ({ value: String(storage.getStore()) }) });
    const app = create();
    app.addHook("onRequest", (_request, _reply, done) => storage.run("set", done));
    await app.register(fastifyPlugin, { routes });
    assert.equal(String((await send(version, await listen(t, app), say("x"))).body), '"set"');
  });

  test(`shutdownTimeoutMs ends the streams of a closing application with shutdownError, in ${name}`, async () => {
    for (const plugin of PLUGINS) {
      const app = create();
      const routes = echoRoutes({
        async *repeat(_, { signal }) {
          yield { value: "first" };
          await once(signal, "abort");
          throw signal.reason;
        },
      });
      const shutdownError = new ConnectError("closing", Code.Unavailable);
      await app.register(plugin, { routes, shutdownTimeoutMs: 50, shutdownError });
      await app.listen({ host: "127.0.0.1", port: 0 });
      const baseUrl = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
      const transport =
        version === "HTTP/2"
          ? createGrpcTransport({ baseUrl })
          : createConnectTransport({ baseUrl, httpVersion: "1.1" });
      const stream = createClient(Echo, transport).repeat({ value: "" })[Symbol.asyncIterator]();
      assert.equal((await stream.next()).value?.value, "first");
      const closed = app.close();
      await assert.rejects(stream.next(), { code: Code.Unavailable, rawMessage: "closing" });
      if (version === "HTTP/1.1") await closed;
    }
  });

  test(`close waits for the calls in flight, in ${name}`, async () => {
    const app = create();
    const started = Promise.withResolvers<void>();
    const say = async (request: { value: string }) => {
      started.resolve();
      await sleep(100);
      return request;
    };
    await app.register(fastifyPlugin, { routes: echoRoutes({ say }) });
    await app.listen({ host: "127.0.0.1", port: 0 });
    const authority = `127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    const call = send(version, authority, { path: SAY, headers: { "content-type": "application/json" }, body: '"x"' });
    await started.promise;
    const closed = app.close();
    assert.equal((await call).status, 200);
    await closed;
  });

  test(`wrong options reject the registration with a TypeError, and no routes register nothing, in ${name}`, async () => {
    const register = async (options: object) => {
      const app = create();
      await app.register(fastifyPlugin as never, options);
      await app.ready();
      const { statusCode } = await app.inject({ method: "POST", url: ADD, payload: { a: 1, b: 2 } });
      await app.close();
      return statusCode;
    };
    const routes = callRoutes;
    await assert.rejects(register({ routes, fallback() {} }), /^TypeError: fastifyPlugin: unknown option 'fallback'/);
    await assert.rejects(
      register({ routes, shutdownTimeoutMs: "1s" }),
      /^TypeError: fastifyPlugin: shutdownTimeoutMs '1s'/,
    );
    assert.equal(await register({}), 404);
    assert.equal(await register({ routes() {} }), 404);
    assert.equal(await register({ routes, logLevel: "warn", connect: true, grpc: false, grpcWeb: false }), 200);
  });

  test(`protocols can be turned off, as in the plugin of Connect, in ${name}`, async (t) => {
    const seen = [];
    for (const plugin of PLUGINS) {
      const app = create();
      await app.register(plugin, { routes: callRoutes, connect: false, grpcWeb: false });
      const authority = await listen(t, app);
      const statuses = [];
      for (const type of ["application/json", "application/grpc-web+proto", "application/grpc+proto"])
        statuses.push(
          (
            await send(version, authority, {
              path: ADD,
              headers: { "content-type": type },
              body: envelope(Buffer.alloc(0)),
            })
          ).status,
        );
      seen.push(statuses);
    }
    assert.deepEqual(seen, [
      [415, 415, 200],
      [415, 415, 200],
    ]);
  });
}

for (const name of ["Fastify 5", "Fastify 4"] as const) {
  test(`injected requests get the response that a client gets, in ${name}`, async (t) => {
    const routes = echoRoutes({
      say({ value }, { responseHeader }) {
        if (value === "throw") throw new ConnectError("no", Code.NotFound);
        responseHeader.set("x-rpc", "yes");
        return { value };
      },
      async *repeat(request) {
        for (let i = 0; i < 3; i++) yield request;
      },
    });
    for (const fastPath of [true, false]) {
      const app = FASTIFY[name].create();
      t.after(() => app.close());
      await app.register(fastifyPlugin, { routes, fastPath });
      const inject = (url: string, type: string, payload: string | Buffer) =>
        app.inject({ method: "POST", url, headers: { "content-type": type }, payload });
      for (const text of ["x", "x".repeat(1_000_000)]) {
        const response = await inject(SAY, "application/json", JSON.stringify(text));
        assert.deepEqual([response.statusCode, response.json(), response.headers["x-rpc"]], [200, text, "yes"]);
      }
      const failed = await inject(SAY, "application/json", '"throw"');
      assert.deepEqual([failed.statusCode, failed.json().code], [404, "not_found"]);
      const get = await app.inject(`${SAY}?connect=v1&encoding=json&message=%22y%22`);
      assert.deepEqual([get.statusCode, get.json()], [200, "y"]);
      const stream = await inject("/fixture.Echo/Repeat", "application/connect+json", envelope(Buffer.from('"z"')));
      assert.equal(stream.rawPayload.toString("latin1"), `${'\0\0\0\0\x03"z"'.repeat(3)}\x02\0\0\0\x02{}`);
      const web = await inject(SAY, "application/grpc-web+json", envelope(Buffer.from('"w"')));
      assert.match(web.rawPayload.toString("latin1"), /"w".*grpc-status: 0/s);
      const large = await app.inject({
        method: "POST",
        url: SAY,
        headers: { "content-type": "application/json" },
        payload: `"${"x".repeat(5_000_000)}"`,
      });
      assert.deepEqual([large.statusCode, large.json().code], [429, "resource_exhausted"]);
    }
  });
}

test("a handlerTimeout of Fastify is the response of a call that takes longer, as for the plugin of Connect", async (t) => {
  const seen = [];
  for (const plugin of PLUGINS) {
    const app = fastify({ handlerTimeout: 50 });
    await app.register(plugin, { routes: echoRoutes({ say: (request) => sleep(150, request) }) });
    // Fastify stops this timeout when the body of a request is read.
    const get = { method: "GET", path: `${SAY}?connect=v1&encoding=json&message=%22%22` };
    const { status } = await send("HTTP/1.1", await listen(t, app), get);
    await sleep(150);
    seen.push(status);
  }
  assert.deepEqual(seen, [503, 503]);
});
