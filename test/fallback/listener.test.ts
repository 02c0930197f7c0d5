/** A fallback that is a listener of node:http: it responds exactly as on a server of node:http. */
import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeListener } from "../../src/server/fallback/fallback.ts";
import { type HttpRequest, type HttpResponse, send } from "../support/http.ts";
import { lasting } from "../support/lasting.ts";
import { startBare, startFallback, VARIANTS } from "./support.ts";

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));

/** A listener by path. */
const ROUTES: Readonly<Record<string, NodeListener>> = {
  "/json": (_, res) => res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ a: "é" })),
  "/implicit": (_, res) => res.end("text"),
  "/latin1": (_, res) => res.end("é", "latin1"),
  "/empty": (_, res) => res.end(),
  "/redirect": (_, res) => res.writeHead(302, { Location: "/json" }).end(),
  "/cookies": (_, res) => res.setHeader("Set-Cookie", ["a=1; Path=/", "b=2"]).end("two"),
  "/repeated": (_, res) => res.setHeader("X-Value", ["1", "2"]).setHeader("Vary", "Origin").end(),
  "/etag": (req, res) => {
    res.setHeader("ETag", '"1"').setHeader("Content-Type", "text/plain");
    if (req.headers["if-none-match"] === '"1"') res.writeHead(304).end();
    else res.end("tagged");
  },
  "/none": (_, res) => res.writeHead(204, { "X-Left": "1" }).end(),
  "/missing": (_, res) => res.writeHead(404, { "content-type": "text/html" }).end("<h1>Not found</h1>"),
  "/failed": (_, res) => res.writeHead(500, { "content-type": "text/plain" }).end("by itself"),
  "/message": (_, res) => res.writeHead(200, "Fine").end("with a message"),
  "/large": (_, res) => res.end(BYTES),
  "/length": (_, res) => {
    res.writeHead(200, { "content-length": BYTES.length });
    res.write(BYTES.subarray(0, 10));
    res.end(BYTES.subarray(10));
  },
  "/chunks": async (_, res) => {
    for (let i = 0; i < 5; i++) {
      res.write(`${i},`.repeat(i * 1_000));
      await sleep(1);
    }
    res.end("end");
  },
  "/flushed": async (_, res) => {
    res.flushHeaders();
    await sleep(5);
    res.end("after the head");
  },
  "/trailers": (req, res) => {
    if (req.method === "HEAD") return void res.end(); // node:http throws for a Trailer field without a body
    res.setHeader("Trailer", "X-Sum").write("body");
    res.addTrailers({ "X-Sum": "42" });
    res.end();
  },
  "/hints": (_, res) => {
    res.writeProcessing();
    res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    res.end("after the hints");
  },
  "/until-end": (_, res) => {
    res.removeHeader("transfer-encoding");
    res.useChunkedEncodingByDefault = false;
    res.write("until the");
    res.end(" end");
  },
  "/echo": (req, res) => {
    res.setHeader("x-length", req.headers["content-length"] ?? "none");
    req.pipe(res);
  },
  "/early": (_, res) => res.writeHead(413).end("too large"),
  "/late": async (_, res) => {
    await sleep(5);
    res.end("late");
  },
  "/request": (req, res) => {
    const { method, url, httpVersion, headers, complete } = req;
    const own = Object.fromEntries(
      Object.entries(headers).filter(([name]) => !/^(host|connection|transfer-encoding)$/.test(name)),
    );
    res.end(JSON.stringify({ method, url, httpVersion, own, complete, hasHost: headers.host !== undefined }));
  },
};

const all: NodeListener = (req, res) => (ROUTES[(req.url ?? "").split("?")[0] ?? ""] as NodeListener)(req, res);

/** Returns a body with its length, which node:http would add over HTTP/1.1 only. */
function text(body: string): Pick<HttpRequest, "body" | "headers"> {
  return { body, headers: { "content-length": String(body.length) } };
}

const CASES: readonly (HttpRequest & { readonly name: string })[] = [
  ...Object.keys(ROUTES).map((path) => ({ name: `GET ${path}`, method: "GET", path })),
  ...Object.keys(ROUTES).map((path) => ({ name: `HEAD ${path}`, method: "HEAD", path })),
  ...Object.keys(ROUTES).map((path) => ({ name: `POST ${path}`, method: "POST", path, ...text("a body") })),
  { name: "a request whose ETag matches", method: "GET", path: "/etag", headers: { "if-none-match": '"1"' } },
  { name: "a body in pieces", path: "/echo", body: [BYTES, BYTES, Buffer.from("end")] },
  { name: "a body of a known length", path: "/echo", body: BYTES, headers: { "content-length": String(BYTES.length) } },
  { name: "an empty body of a known length", path: "/echo", headers: { "content-length": "0" } },
  { name: "a query", method: "GET", path: "/request?a=1&b=%20%C3%A9" },
  { name: "unusual characters in the target", method: "GET", path: "/request?[]{}|\\^`\"<>'" },
  { name: "DELETE without a body", method: "DELETE", path: "/request" },
  { name: "OPTIONS", method: "OPTIONS", path: "/request", headers: { origin: "http://a.example" } },
  { name: "PATCH", method: "PATCH", path: "/request", ...text("x") },
  { name: "QUERY", method: "QUERY", path: "/request", ...text("x") },
  { name: "cookies", method: "GET", path: "/request", headers: { cookie: "a=1; b=2; c=3" } },
  { name: "Latin-1 in a value", method: "GET", path: "/request", headers: { "x-name": "é" } },
  {
    name: "Expect: 100-continue",
    path: "/request",
    headers: { expect: "100-continue", "content-length": "1" },
    body: "x",
  },
];

/** Returns the parts of a response that do not depend on the HTTP version or the time. */
function comparable(response: HttpResponse) {
  const { status, headers, trailers, body } = lasting(response);
  const length = response.headers["content-length"];
  // Without the symbols that node:http2 adds.
  return { status, headers: Object.entries(headers).sort(), trailers: Object.entries(trailers), length, body };
}

for (const { name, version, options } of VARIANTS) {
  test(`over ${name}, a listener responds as on node:http`, async (t) => {
    const bare = await startBare(t, all);
    const { url } = await startFallback(t, all, options);
    for (const { name, ...request } of CASES) {
      const [here, there] = await Promise.all([send(version, url, request), send("HTTP/1.1", bare, request)]);
      assert.deepEqual(comparable(here), comparable(there), name);
    }
  });

  test(`over ${name}, a listener gets objects of node:http that describe the connection`, async (t) => {
    const { url, authority } = await startFallback(
      t,
      (req, res) => {
        const { socket } = req;
        const isReal = req instanceof IncomingMessage && res instanceof ServerResponse && socket instanceof Socket;
        const { remoteAddress, remoteFamily, remotePort } = socket;
        const isSame = req.connection === socket && res.socket === socket;
        const isEncrypted = (socket as { encrypted?: boolean }).encrypted === true;
        const { host } = req.headers;
        socket.setNoDelay(true).setKeepAlive(true).ref().unref();
        res.end(
          JSON.stringify({
            isReal,
            isSame,
            remoteAddress,
            remoteFamily,
            hasPort: (remotePort ?? 0) > 0,
            isEncrypted,
            host,
          }),
        );
      },
      options,
    );
    const { body } = await send(version, url, {
      method: "GET",
      path: "/socket",
      headers: version === "HTTP/1.1" ? { host: authority } : {},
    });
    assert.deepEqual(JSON.parse(body.toString()), {
      isReal: true,
      isSame: true,
      remoteAddress: "127.0.0.1",
      remoteFamily: "IPv4",
      hasPort: true,
      isEncrypted: options.tls !== undefined,
      host: authority,
    });
  });
}
