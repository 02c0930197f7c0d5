/** The middleware in Express: mounting, other middleware before it, and the types of Express. */
import assert from "node:assert/strict";
import http from "node:http";
import { type TestContext, test } from "node:test";
import { createGunzip, gzipSync, inflateSync } from "node:zlib";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import compression from "compression";
import express from "express";
import session from "express-session";
import express4 from "express4";
import { expressMiddleware } from "../../../../src/package/node.ts";
import type { Routes } from "../../../../src/server/rpc/options.ts";
import { callRoutes } from "../../../support/call-service.ts";
import { envelope } from "../../../support/cells.ts";
import { send } from "../../../support/http.ts";
import { echoRoutes } from "../../../support/protos.ts";
import { listen } from "./apps.ts";

declare module "express-session" {
  interface SessionData {
    calls?: number;
  }
}

const ADD = "/calls.v1.CallService/Add";
const SAY = "/fixture.Echo/Say";
const JSON_ADD = { path: ADD, headers: { "content-type": "application/json" }, body: '{"a":1,"b":2}' };
const EXPRESS = { "Express 5": express, "Express 4": express4 as typeof express } as const;

function say(text: string, headers = {}) {
  return { path: SAY, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(text) };
}

for (const [name, create] of Object.entries(EXPRESS)) {
  /** Starts the application with each middleware. Returns the addresses: first Connect's. */
  const both = (
    t: TestContext,
    routes: Routes,
    build: (app: express.Express, rpcs: express.Handler) => void,
    options = {},
  ) =>
    Promise.all(
      [expressConnectMiddleware, expressMiddleware].map((middleware) => {
        const app = create();
        build(app, middleware({ routes, ...options }));
        return listen(t, app);
      }),
    ) as Promise<[string, string]>;

  test(`other paths go on to the next middleware, in ${name}`, async (t) => {
    const addresses = await both(t, callRoutes, (app, rpcs) => {
      app.use(rpcs);
      app.use((req, res) => void res.status(418).send(`${req.method} ${req.url}`));
    });
    for (const address of addresses) {
      assert.equal(String((await send("HTTP/1.1", address, JSON_ADD)).body), '{"sum":3}');
      for (const path of ["/other?x", "/calls.v1.CallService/Nope"]) {
        const { status, body } = await send("HTTP/1.1", address, { ...JSON_ADD, path });
        assert.deepEqual([status, String(body)], [418, `POST ${path}`]);
      }
    }
  });

  test(`a mounted middleware serves the paths below its mount, and its handlers see the same URL, in ${name}`, async (t) => {
    const routes = echoRoutes({ say: (_, { url }) => ({ value: new URL(url).pathname }) });
    const seen: string[] = [];
    for (const options of [{}, { requestPathPrefix: "/v1" }]) {
      for (const address of await both(t, routes, (app, rpcs) => app.use("/api", rpcs), options)) {
        const prefix = "requestPathPrefix" in options ? "/api/v1" : "/api";
        const { status, body } = await send("HTTP/1.1", address, { ...say(""), path: prefix + SAY });
        seen.push(`${status} ${body}`);
        assert.equal((await send("HTTP/1.1", address, say(""))).status, 404);
      }
    }
    assert.deepEqual(seen, [`200 "${SAY}"`, `200 "${SAY}"`, `200 "/v1${SAY}"`, `200 "/v1${SAY}"`]);
  });

  test(`a body that express.json() or express.raw() has parsed is served, in ${name}`, async (t) => {
    for (const parser of [create.json(), create.raw({ type: "*/*" }), create.json({ strict: false })]) {
      for (const address of await both(t, callRoutes, (app, rpcs) => app.use(parser, rpcs))) {
        assert.equal(String((await send("HTTP/1.1", address, JSON_ADD)).body), '{"sum":3}');
        const headers = { ...JSON_ADD.headers, "content-encoding": "gzip" };
        const compressed = { ...JSON_ADD, headers, body: gzipSync(JSON_ADD.body) };
        assert.equal(String((await send("HTTP/1.1", address, compressed)).body), '{"sum":3}');
        const invalid = await send("HTTP/1.1", address, { ...JSON_ADD, body: '{"a":"x"}' });
        assert.equal(invalid.status, 400);
      }
    }
  });

  test(`calls in other formats work after express.json(), in ${name}`, async (t) => {
    const [, address] = await both(t, callRoutes, (app, rpcs) => app.use(create.json(), rpcs));
    const proto = await send("HTTP/1.1", address, {
      path: ADD,
      headers: { "content-type": "application/proto" },
      body: Buffer.of(8, 1, 16, 2),
    });
    assert.deepEqual([proto.status, [...proto.body]], [200, [8, 3]]);
    const web = await send("HTTP/1.1", address, {
      path: ADD,
      headers: { "content-type": "application/grpc-web" },
      body: envelope(Buffer.of(8, 1, 16, 2)),
    });
    assert.deepEqual([web.status, [...web.body.subarray(0, 7)]], [200, [0, 0, 0, 0, 2, 8, 3]]);
  });

  test(`a body that middleware has read without leaving it is a clear error, in ${name}`, async (t) => {
    const [, address] = await both(t, callRoutes, (app, rpcs) =>
      app.use((req, _, next) => void req.resume().on("end", () => next()), rpcs),
    );
    const { status, body } = await send("HTTP/1.1", address, JSON_ADD);
    assert.equal(status, 500);
    assert.match(JSON.parse(String(body)).message, /middleware has read it.* put the RPCs before that middleware/);
  });

  test(`headers of other middleware stay, and none is sent twice, in ${name}`, async (t) => {
    const routes = echoRoutes({
      say(request, { responseHeader }) {
        responseHeader.set("vary", "X-Rpc");
        responseHeader.set("set-cookie", "rpc=1");
        return request;
      },
    });
    const [, address] = await both(t, routes, (app, rpcs) => {
      app.use((_, res, next) => {
        res.set({ "X-Frame-Options": "DENY", "Content-Type": "text/plain", Vary: "Origin", "Set-Cookie": "a=1" });
        next();
      }, rpcs);
    });
    const { promise, resolve } = Promise.withResolvers<http.IncomingMessage>();
    const [host, port] = address.split(":");
    const { path, headers, body } = say("x");
    http.request({ host, port, method: "POST", path, headers, agent: false }, resolve).end(body);
    const response = (await promise).resume();
    const names = response.rawHeaders.filter((_, i) => i % 2 === 0).map((header) => header.toLowerCase());
    assert.deepEqual(names.filter((header) => header !== "set-cookie").length, new Set(names).size - 1);
    const {
      "x-frame-options": frame,
      "x-powered-by": by,
      vary,
      "set-cookie": cookies,
      "content-type": type,
    } = response.headers;
    assert.deepEqual(
      [frame, by, vary, cookies, type],
      ["DENY", "Express", "Origin, X-Rpc", ["a=1", "rpc=1"], "application/json"],
    );
  });

  test(`compression compresses responses of any length, in ${name}`, async (t) => {
    const routes = echoRoutes({ say: (request) => request });
    for (const address of await both(t, routes, (app, rpcs) => app.use(compression({ threshold: 0 }), rpcs))) {
      for (const length of [2_000, 100_000, 3_000_000]) {
        const text = "x".repeat(length);
        const response = await send("HTTP/1.1", address, say(text, { "accept-encoding": "deflate" }));
        assert.deepEqual([response.status, response.headers["content-encoding"]], [200, "deflate"]);
        assert.equal(String(inflateSync(response.body)), JSON.stringify(text));
      }
    }
  });

  test(`compression lets each message of a stream through, in ${name}`, async (t) => {
    for (const length of [10, 100_000, 1_000_000]) {
      const received: (() => void)[] = [];
      const routes = echoRoutes({
        async *repeat() {
          for (let i = 0; i < 3; i++) {
            const arrived = new Promise<void>((resolve) => void received.push(resolve));
            yield { value: "x".repeat(length) };
            await arrived;
          }
        },
      });
      for (const address of await both(t, routes, (app, rpcs) => app.use(compression({ threshold: 0 }), rpcs))) {
        const [host, port] = address.split(":");
        const headers = { "content-type": "application/connect+json", "accept-encoding": "gzip" };
        const { promise, resolve } = Promise.withResolvers<http.IncomingMessage>();
        const options = { host, port, method: "POST", path: "/fixture.Echo/Repeat", headers, agent: false };
        http.request(options, resolve).end(envelope(Buffer.from('""')));
        const response = await promise;
        assert.equal(response.headers["content-encoding"], "gzip");
        let bytes = 0;
        for await (const piece of response.pipe(createGunzip())) {
          bytes += piece.length;
          if (bytes % (length + 7) === 0) received.shift()?.(); // an envelope and two quotation marks
        }
        assert.equal(bytes, 3 * (length + 7) + 7);
      }
    }
  });

  test(`a session of express-session is read and written, in ${name}`, async (t) => {
    const key = createContextKey(0);
    const routes = echoRoutes({ say: (_, { values }) => ({ value: String(values.get(key)) }) });
    const contextValues = (req: express.Request) => {
      req.session.calls = (req.session.calls ?? 0) + 1;
      return createContextValues().set(key, req.session.calls);
    };
    const addresses = await both(
      t,
      routes,
      (app, rpcs) => app.use(session({ secret: "s", resave: false, saveUninitialized: true }), rpcs),
      { contextValues },
    );
    for (const address of addresses) {
      const first = await send("HTTP/1.1", address, say(""));
      assert.equal(String(first.body), '"1"');
      const cookie = String(first.headers["set-cookie"]?.[0]).split(";")[0] as string;
      for (const count of ["2", "3"])
        assert.equal(String((await send("HTTP/1.1", address, say("", { cookie }))).body), `"${count}"`);
    }
  });
}

test("wrong options are a TypeError when the middleware is created", () => {
  assert.throws(
    () => expressMiddleware({ routes: callRoutes, ...{ fallback() {} } }),
    /^TypeError: expressMiddleware: unknown option 'fallback'/,
  );
  assert.throws(() => expressMiddleware({} as never), /^TypeError: expressMiddleware: routes is missing/);
});
