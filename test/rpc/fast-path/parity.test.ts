/** The fast path responds as Connect's handlers do. Random calls compare it with them and with Connect's own adapter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Interceptor } from "@connectrpc/connect";
import { CELLS } from "../../support/cells.ts";
import { type HttpRequest, type HttpResponse, send } from "../../support/http.ts";
import { lasting } from "../../support/lasting.ts";
import { Random } from "../../support/random.ts";
import { randomRequest } from "../../support/random-call.ts";
import { scriptedRoutes } from "../../support/scripted.ts";
import { startServer } from "../../support/server.ts";
import { asStock, startStock } from "../../support/stock.ts";

const SEED = 20_261_124;
const VALID_CALLS = 60;
const MALFORMED_CALLS = 60;

for (const cell of CELLS) {
  test(`valid calls get equal responses with the fast path, without it and from Connect's own adapter, in ${cell.name}`, async (t) => {
    const { authority: fastPath } = await startServer(t, { routes: scriptedRoutes, fastPath: true });
    const { authority: noFastPath } = await startServer(t, { routes: scriptedRoutes, fastPath: false });
    const stock = await startStock(t, cell.http, { routes: scriptedRoutes });
    const random = new Random(SEED);
    for (let i = 0; i < VALID_CALLS; i++) {
      const request = randomRequest(random, cell);
      const response = lasting(await send(cell.http, fastPath, request));
      assert.deepEqual(response, lasting(await send(cell.http, noFastPath, request)), `call ${i}`);
      assert.deepEqual(
        asStock(cell, response),
        asStock(cell, lasting(await send(cell.http, stock, request))),
        `call ${i}`,
      );
    }
  });

  test(`malformed calls get equal responses with the fast path and without it, in ${cell.name}`, async (t) => {
    const { authority: fastPath } = await startServer(t, { routes: scriptedRoutes, fastPath: true });
    const { authority: noFastPath } = await startServer(t, { routes: scriptedRoutes, fastPath: false });
    const random = new Random(SEED + 1);
    for (let i = 0; i < MALFORMED_CALLS; i++) {
      const request = malform(random, randomRequest(random, cell));
      const [response, expected] = await Promise.all(
        [fastPath, noFastPath].map((each) => send(cell.http, each, request)),
      );
      assert.deepEqual(lasting(response as HttpResponse), lasting(expected as HttpResponse), `call ${i}`);
    }
  });

  test(`interceptors see and change the same with the fast path and without it, in ${cell.name}`, async (t) => {
    const start = async (fastPath: boolean) => {
      const passed: string[] = [];
      const interceptors = [noting("outer", passed), copying, noting("inner", passed)];
      const { authority } = await startServer(t, { routes: scriptedRoutes, interceptors, fastPath });
      return { authority, passed };
    };
    const withFastPath = await start(true);
    const without = await start(false);
    const random = new Random(SEED + 2);
    for (let i = 0; i < 20; i++) {
      const request = randomRequest(random, cell);
      const response = lasting(await send(cell.http, withFastPath.authority, request));
      assert.deepEqual(response, lasting(await send(cell.http, without.authority, request)), `call ${i}`);
    }
    assert.deepEqual(withFastPath.passed, without.passed);
    assert.ok(withFastPath.passed.includes("inner, back") && withFastPath.passed.includes("outer, thrown"));
  });
}

/** Records each call in `passed`, and adds headers to its request and response. */
function noting(name: string, passed: string[]): Interceptor {
  return (next) => async (request) => {
    passed.push(`${name}, there: ${request.method.name} ${new URL(request.url).pathname} ${request.requestMethod}`);
    request.header.append("x-passed", name);
    try {
      const response = await next(request);
      passed.push(`${name}, back`);
      response.header.append("x-passed", name);
      response.trailer.append("x-passed", name);
      return response;
    } catch (error) {
      passed.push(`${name}, thrown`);
      throw error;
    }
  };
}

test("an interceptor may replace the request by a proxy, or by an object with it as prototype", async (t) => {
  for (const fastPath of [true, false]) {
    const seen: unknown[] = [];
    const standIn =
      (make: (request: object) => object): Interceptor =>
      (next) =>
      async (request) => {
        const given = make(request) as typeof request;
        seen.push(given.header.get("x-a"), given.signal.aborted);
        const response = make(await next(given)) as Awaited<ReturnType<typeof next>>;
        response.header.set("x-b", "c");
        return response;
      };
    const interceptors = [standIn((one) => new Proxy(one, {})), standIn((one) => Object.create(one))];
    const { authority } = await startServer(t, { fastPath, interceptors });
    const headers = { "content-type": "application/json", "x-a": "b" };
    const request = { path: "/calls.v1.CallService/Add", headers, body: Buffer.from('{"a":1,"b":2}') };
    const response = await send("HTTP/2", authority, request);
    const { status, body } = response;
    assert.deepEqual([status, String(body), response.headers["x-b"]], [200, '{"sum":3}', "c"]);
    assert.deepEqual(seen, ["b", false, "b", false]);
  }
});

/** Passes on a copy of the request with another header, and a copy of the response. */
const copying: Interceptor = (next) => async (request) => {
  const header = new Headers(request.header);
  header.set("x-copied", "yes");
  const response = await next({ ...request, header });
  return { ...response, header: new Headers(response.header), trailer: new Headers(response.trailer) };
};

/** Returns the request with something malformed or unusual. */
function malform(random: Random, request: HttpRequest): HttpRequest {
  const headers = { ...request.headers };
  const type = headers["content-type"];
  switch (random.below(8)) {
    case 0:
      return {
        ...request,
        headers: {
          ...headers,
          "content-type": random.pick([
            "",
            "text/plain",
            `${type}x`,
            `${type}; charset=utf-8`,
            String(type).toUpperCase(),
          ]),
        },
      };
    case 1:
      return { ...request, headers: { ...headers, "grpc-timeout": "1x", "connect-timeout-ms": "-1" } };
    case 2:
      return { ...request, headers: { ...headers, "grpc-encoding": "zstd", "content-encoding": "zstd" } };
    case 3:
      return {
        ...request,
        path: request.path.replace("message=", random.pick(["message=!", "massage=", "base64=1&message="])),
      };
    case 4:
      return {
        ...request,
        path: random.pick(["/fixture.Echo/Nope", "/no.Such/Say", "/fixture.Echo/Say/", "/fixture.Echo/Repeat"]),
      };
    case 5:
      return { ...request, method: random.pick(["GET", "PUT", "OPTIONS", "DELETE"]), body: undefined as never };
    default:
      return request.body === undefined ? request : { ...request, body: mutate(random, whole(request.body)) };
  }
}

function whole(body: NonNullable<HttpRequest["body"]>): Buffer {
  return Array.isArray(body) ? Buffer.concat(body) : Buffer.from(body as Uint8Array);
}

function mutate(random: Random, body: Buffer): Buffer {
  const bytes = Buffer.from(body);
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length + 1));
    case 1:
      return Buffer.concat([bytes, random.bytes(1 + random.below(9))]);
    case 2:
      return Buffer.concat([bytes, bytes]);
    default:
      if (bytes.length > 0) bytes[random.below(Math.min(12, bytes.length))] = random.below(256);
      return bytes;
  }
}
