/** The requests that reach the fallback, and the values that are a fallback. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { test } from "node:test";
import { createFallback, type Fallback, type NodeListener } from "../../src/server/fallback/fallback.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { connectTo } from "../support/raw.ts";
import { startFallback, VARIANTS } from "./support.ts";

const FALLBACK: Fallback = (_, res) => void res.end("fallback");
const ADD = "/calls.v1.CallService/Add";
const PREFLIGHT = { origin: "http://a.example", "access-control-request-method": "POST" };

for (const version of HTTP_VERSIONS) {
  for (const [name, method, path, headers, expected] of [
    ["any other path", "GET", "/other", {}, "fallback"],
    ["POST to any other path", "POST", "/other", { "content-type": "application/json" }, "fallback"],
    ["OPTIONS of any other path", "OPTIONS", "/other", {}, "fallback"],
    ["a preflight for any other path", "OPTIONS", "/other", PREFLIGHT, "fallback"],
    ["an unknown method of a service", "POST", `${ADD}ition`, { "content-type": "application/json" }, "fallback"],
    ["a path that begins like a procedure", "POST", `${ADD}/1`, {}, "fallback"],
    ["a procedure", "POST", ADD, { "content-type": "application/json" }, "200"],
    ["a procedure with a query", "POST", `${ADD}?a=1`, { "content-type": "application/json" }, "200"],
    ["a wrong method for a procedure", "PUT", ADD, {}, "405"],
    ["a preflight for a procedure", "OPTIONS", ADD, PREFLIGHT, "204"],
    ["gRPC to an unknown path", "POST", "/other", { "content-type": "application/grpc" }, "12"],
    ["gRPC proto to an unknown path", "POST", "/other", { "content-type": "application/grpc+proto" }, "12"],
    ["gRPC-Web to an unknown path", "POST", "/other", { "content-type": "application/grpc-web" }, "12"],
    ["gRPC-Web in text to an unknown path", "POST", "/other", { "content-type": "application/grpc-web-text" }, "404"],
    ["a content type that begins like gRPC", "POST", "/other", { "content-type": "application/grpcx" }, "fallback"],
    ["/healthz", "GET", "/healthz", {}, "200"],
    ["/healthz below", "GET", "/healthz/a", {}, "fallback"],
  ] as const) {
    test(`over ${version}, ${name} gets ${expected}`, async (t) => {
      const { url } = await startFallback(t, FALLBACK, { homePage: false, corsOrigins: ["http://a.example"] });
      const body = method === "POST" ? "{}" : undefined;
      const response = await send(version, url, { method, path, headers, ...(body !== undefined && { body }) });
      const { status, headers: fields, body: bytes } = response;
      const isFallback = bytes.toString() === "fallback";
      assert.equal(isFallback ? "fallback" : (fields["grpc-status"] ?? String(status)), expected);
      // CORS is for calls only: the application sets its own fields.
      const isCall = fields["access-control-allow-origin"] !== undefined || fields.vary !== undefined;
      if (isFallback) assert.equal(isCall, false);
    });
  }

  test(`over ${version}, "/" is the home page if there is one, and the fallback's otherwise`, async (t) => {
    for (const [homePage, expected] of [
      [true, /^These services/],
      [false, /^fallback$/],
    ] as const) {
      const { url } = await startFallback(t, FALLBACK, { homePage });
      assert.match((await send(version, url, { method: "GET", path: "/" })).body.toString(), expected);
    }
  });

  test(`over ${version}, a host that is not allowed does not reach the fallback`, async (t) => {
    const { url, log } = await startFallback(t, FALLBACK);
    const headers: Record<string, string> =
      version === "HTTP/1.1" ? { host: "evil.example" } : { ":authority": "evil.example" };
    assert.equal((await send(version, url, { method: "GET", path: "/other", headers })).status, 403);
    assert.match(log.shift() ?? "", /evil\.example/);
  });
}

const CONTEXT = { limits: DEFAULT_LIMITS, onLimit() {}, throttledLog() {} };

for (const [name, value] of [
  ["nothing", undefined],
  ["null", null],
  ["a text", "x"],
  ["an object", {}],
  ["an object with a fetch property that is not a function", { fetch: "x" }],
  ["an event emitter", new EventEmitter()],
  ["a server without a request listener", createServer()],
] as const) {
  test(`${name} is not a fallback`, () => {
    assert.throws(() => createFallback(value as never, CONTEXT), {
      name: "TypeError",
      message:
        "fallback: must be a (req, res) listener, a server of node:http with a request listener, or an object with a fetch method",
    });
  });
}

for (const { name, version, options } of VARIANTS) {
  test(`over ${name}, a server of node:http is a fallback, with all of its listeners`, async (t) => {
    const server = createServer((_, res) => void res.write("1")).on("request", (_, res) => res.end("2"));
    const { url } = await startFallback(t, server, options);
    for (let i = 0; i < 2; i++)
      assert.equal((await send(version, url, { method: "GET", path: "/a" })).body.toString(), "12");
  });

  test(`over ${name}, a rejection of a listener of a server gets status 500`, async (t) => {
    const server = createServer(async () => {
      throw new Error("broken");
    });
    const { url, log } = await startFallback(t, server, options);
    assert.equal((await send(version, url, { method: "GET", path: "/a" })).status, 500);
    assert.match(log.shift() ?? "", /^respond to GET "\/a": Error: broken\n/);
  });

  test(`over ${name}, an application that is a function with properties, as Express makes it, is a listener`, async (t) => {
    const app: NodeListener = (req, res) => {
      // Express sets prototypes of its own.
      Object.setPrototypeOf(req, Object.create(Object.getPrototypeOf(req), { path: { get: () => "of the request" } }));
      Object.setPrototypeOf(
        res,
        Object.create(Object.getPrototypeOf(res), {
          send: {
            value(this: typeof res, text: string) {
              this.setHeader("x-sent", "by the application");
              this.end(text);
            },
          },
        }),
      );
      (res as unknown as { send(text: string): void }).send((req as unknown as { path: string }).path);
    };
    Object.assign(app, new EventEmitter(), EventEmitter.prototype, { fetch: () => assert.fail("not a fetch handler") });
    const { url } = await startFallback(t, app, options);
    const { headers, body } = await send(version, url, { method: "GET", path: "/a" });
    assert.equal(headers["x-sent"], "by the application");
    assert.equal(body.toString(), "of the request");
  });
}

const UPGRADE = "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

test("a request to upgrade is an ordinary request for a listener, as on node:http", async (t) => {
  const { authority } = await startFallback(t, (req, res) => void res.end(req.headers.upgrade));
  assert.match(await responseTo(await connectTo(authority), UPGRADE), /^HTTP\/1\.1 200 [\s\S]*websocket/);
});

test("a request to upgrade is refused if the server of the fallback would accept it", async (t) => {
  const server = createServer((_, res) => void res.end("served")).on("upgrade", () => assert.fail("not passed on"));
  const { authority } = await startFallback(t, server);
  assert.match(await responseTo(await connectTo(authority), UPGRADE), /^HTTP\/1\.1 501 [\s\S]*upgrade to websocket: /);
  const h2c = UPGRADE.replace("websocket", "h2c"); // curl asks for it, and goes on without it
  assert.match(await responseTo(await connectTo(authority), h2c), /^HTTP\/1\.1 200 [\s\S]*served/);
});

/** Sends a request, and returns the response, which must arrive in one packet. */
async function responseTo(socket: Socket, request: string): Promise<string> {
  socket.write(request);
  const [bytes] = await once(socket, "data");
  socket.destroy();
  return String(bytes);
}
