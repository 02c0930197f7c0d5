/** A fallback with a fetch method: the Request that it gets, and the responses of its Response. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import { type HttpRequest, send } from "../support/http.ts";
import { exchangeBytes } from "../support/raw.ts";
import { startFallback, VARIANTS } from "./support.ts";

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));

interface Case extends HttpRequest {
  readonly name: string;
  readonly respond: (request: Request) => Response | Promise<Response>;
  readonly expected: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
    readonly body?: string | Uint8Array;
  };
}

const CASES: readonly Case[] = [
  {
    name: "a text",
    method: "GET",
    path: "/a",
    respond: () => new Response("text é"),
    expected: {
      status: 200,
      headers: { "content-type": "text/plain;charset=UTF-8", "content-length": "7" },
      body: "text é",
    },
  },
  {
    name: "JSON",
    method: "GET",
    path: "/a",
    respond: () => Response.json({ a: 1 }, { status: 201 }),
    expected: { status: 201, headers: { "content-type": "application/json" }, body: '{"a":1}' },
  },
  {
    name: "no body",
    method: "GET",
    path: "/a",
    respond: () => new Response(null, { status: 404, headers: { "x-a": "1" } }),
    expected: { status: 404, headers: { "x-a": "1" } },
  },
  {
    name: "a redirect",
    method: "GET",
    path: "/a",
    respond: (request) => Response.redirect(new URL("/b", request.url), 307),
    expected: { status: 307 },
  },
  {
    name: "two cookies",
    method: "GET",
    path: "/a",
    respond() {
      const response = new Response("x");
      response.headers.append("set-cookie", "a=1; Path=/");
      response.headers.append("set-cookie", "b=2");
      return response;
    },
    expected: { status: 200, headers: { "set-cookie": ["a=1; Path=/", "b=2"] }, body: "x" },
  },
  {
    name: "a field with two values, which is sent once",
    method: "GET",
    path: "/a",
    respond: () =>
      new Response("x", {
        headers: [
          ["vary", "a"],
          ["vary", "b"],
        ],
      }),
    expected: { status: 200, headers: { vary: "a, b" }, body: "x" },
  },
  {
    name: "connection-specific fields, which are left out",
    method: "GET",
    path: "/a",
    respond: () =>
      new Response("x", { headers: { "transfer-encoding": "chunked", upgrade: "x", "proxy-connection": "x" } }),
    expected: {
      status: 200,
      headers: { "transfer-encoding": undefined, upgrade: undefined, "proxy-connection": undefined },
      body: "x",
    },
  },
  {
    name: "a wrong length, which is corrected",
    method: "GET",
    path: "/a",
    respond: () => new Response("x", { headers: { "content-length": "7" } }),
    expected: { status: 200, headers: { "content-length": "1" }, body: "x" },
  },
  {
    name: "HEAD",
    method: "HEAD",
    path: "/a",
    respond: () => new Response("text", { headers: { "content-length": "4" } }),
    expected: { status: 200, headers: { "content-length": "4" } },
  },
  {
    name: "304 with an ETag",
    method: "GET",
    path: "/a",
    respond: () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
    expected: { status: 304, headers: { etag: '"1"' } },
  },
  {
    name: "204",
    method: "DELETE",
    path: "/a",
    respond: () => new Response(null, { status: 204 }),
    expected: { status: 204 },
  },
  {
    name: "a large body",
    method: "GET",
    path: "/a",
    respond: () => new Response(BYTES),
    expected: { status: 200, body: BYTES },
  },
  {
    name: "a body in pieces",
    method: "GET",
    path: "/a",
    respond: () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (let i = 0; i < 10; i++) {
              controller.enqueue(BYTES.subarray(i * 10_000, (i + 1) * 10_000));
              await sleep(1);
            }
            controller.close();
          },
        }),
      ),
    expected: { status: 200, body: BYTES },
  },
  {
    name: "a body in pieces with its length",
    method: "GET",
    path: "/a",
    respond: () => new Response(new Blob([BYTES]).stream(), { headers: { "content-length": String(BYTES.length) } }),
    expected: { status: 200, headers: { "content-length": String(BYTES.length) }, body: BYTES },
  },
  {
    name: "the head of the request",
    method: "GET",
    path: "/path?a=1&b=%C3%A9",
    headers: { "x-name": "é", cookie: "a=1; b=2" },
    respond: ({ method, url, headers, body }) =>
      Response.json([
        method,
        new URL(url).pathname,
        new URL(url).search,
        headers.get("x-name"),
        headers.get("cookie"),
        body,
      ]),
    expected: { status: 200, body: JSON.stringify(["GET", "/path", "?a=1&b=%C3%A9", "é", "a=1; b=2", null]) },
  },
  {
    name: "the body of the request as text",
    path: "/a",
    body: "some text",
    respond: async (request) => new Response(await request.text()),
    expected: { status: 200, body: "some text" },
  },
  {
    name: "the body of the request as a form",
    path: "/a",
    body: "a=1&b=2",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    respond: async (request) => Response.json([...(await request.formData())]),
    expected: { status: 200, body: '[["a","1"],["b","2"]]' },
  },
  {
    name: "the body of the request in pieces",
    path: "/a",
    body: [BYTES, BYTES],
    respond: (request) => new Response(request.body),
    expected: { status: 200, body: Buffer.concat([BYTES, BYTES]) },
  },
  {
    name: "a request with an empty body",
    path: "/a",
    headers: { "content-length": "0" },
    respond: async (request) => Response.json([request.body, await request.text()]),
    expected: { status: 200, body: '[null,""]' },
  },
  {
    name: "an unread body",
    path: "/a",
    body: BYTES,
    respond: () => new Response("unread", { status: 400 }),
    expected: { status: 400, body: "unread" },
  },
  {
    name: "a body that is cancelled",
    path: "/a",
    body: BYTES,
    async respond(request) {
      await request.body?.cancel();
      return new Response("cancelled");
    },
    expected: { status: 200, body: "cancelled" },
  },
  {
    name: "a cloned request",
    path: "/a",
    body: "text",
    respond: async (request) => Response.json([await request.clone().text(), await request.text()]),
    expected: { status: 200, body: '["text","text"]' },
  },
  {
    name: "Expect: 100-continue",
    path: "/a",
    headers: { expect: "100-continue" },
    body: "text",
    respond: async (request) => new Response(await request.text()),
    expected: { status: 200, body: "text" },
  },
];

for (const { name, version, options } of VARIANTS) {
  test(`over ${name}, fetch gets the request and sends its response`, async (t) => {
    let respond: Case["respond"] = () => new Response();
    const { url } = await startFallback(t, { fetch: (request) => respond(request) }, options);
    for (const { name, expected, ...request } of CASES) {
      respond = request.respond;
      const { status, headers, body } = await send(version, url, request);
      assert.equal(status, expected.status, name);
      for (const [field, value] of Object.entries(expected.headers ?? {})) {
        if (field !== "transfer-encoding") assert.deepEqual(headers[field], value, name);
      }
      assert.deepEqual(body, Buffer.from(expected.body ?? ""), name);
    }
  });

  test(`over ${name}, the URL has the scheme, host and port of the request`, async (t) => {
    const { url, authority } = await startFallback(t, { fetch: (request) => new Response(request.url) }, options);
    const headers: Record<string, string> = version === "HTTP/1.1" ? { host: authority } : {};
    const { body } = await send(version, url, { method: "GET", path: "/a", headers });
    assert.equal(body.toString(), `${url}/a`);
  });
}

test("fetch is called as a method of the fallback", async (t) => {
  class App {
    readonly #text = "private";
    fetch(): Response {
      return new Response(this.#text);
    }
  }
  const { url } = await startFallback(t, new App());
  assert.equal((await send("HTTP/1.1", url, { method: "GET", path: "/a" })).body.toString(), "private");
});

test("fields of a response to HTTP/1.1 are sent once", async (t) => {
  const fallback: Fallback = {
    fetch: () => new Response("x", { headers: { date: "then", "content-length": "1", "content-type": "text/html" } }),
  };
  const { authority } = await startFallback(t, fallback);
  const text = await exchangeBytes(authority, "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  for (const name of ["date", "content-length", "content-type"])
    assert.equal(text.toLowerCase().split(`\r\n${name}: `).length, 2, text);
});

test("methods and targets that a Request cannot have get an error", async (t) => {
  const { authority } = await startFallback(t, { fetch: () => new Response("served") });
  const status = async (line: string) =>
    (await exchangeBytes(authority, `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).slice(9, 12);
  assert.equal(await status("TRACE /a"), "501");
  assert.equal(await status("GET /a"), "200");
  assert.equal(await status("GET //a@b/c"), "200");
});
