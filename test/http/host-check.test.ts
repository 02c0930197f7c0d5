/** The host check: calls over HTTP/2 may name any host, as Envoy's health checker does; browsers only allowed ones. */
import assert from "node:assert/strict";
import http2 from "node:http2";
import { test } from "node:test";
import type { Interceptor } from "@connectrpc/connect";
import { PassedAuthorities } from "../../src/server/http/host-check.ts";
import { createServer } from "../../src/server/server.ts";
import { envelope } from "../support/cells.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { Echo, echoRoutes } from "../support/protos.ts";

import { startServer } from "../support/server.ts";

const SAY = `/${Echo.typeName}/Say`;
const CALL = { path: SAY, headers: { "content-type": "application/json" }, body: '"x"' };

/** Authorities that Envoy and other clients send, or could send. grpc-go accepts each of them. */
const NAMES = [
  "outbound|50051||sum.default.svc",
  "grpcroute/default/sum/rule/0",
  "user@localhost",
  "a:99999",
  "[",
  "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
];

for (const fastPath of [true, false]) {
  for (const name of NAMES) {
    test(`a call to ${name} over HTTP/2 is served, and its URL can be parsed, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
      const urls: string[] = [];
      const noting: Interceptor = (next) => (request) => {
        urls.push(request.url);
        return next(request);
      };
      const { authority } = await startServer(t, {
        http2: "built-in", // node:http2 resets streams with some of these
        fastPath,
        interceptors: [noting],
        routes: echoRoutes({
          say(request, { url }) {
            urls.push(url);
            return request;
          },
        }),
      });
      const grpc = { ...CALL.headers, "content-type": "application/grpc+json" };
      for (const [call, path] of [
        [CALL, SAY],
        [{ ...CALL, headers: grpc, body: envelope(Buffer.from('"x"')) }, SAY],
      ] as const) {
        const { status } = await send("HTTP/2", authority, {
          ...call,
          headers: { ...call.headers, ":authority": name },
        });
        assert.equal(status, 200);
        assert.deepEqual(
          urls.splice(0).map((url) => new URL(url).href),
          Array(2).fill(`http://localhost${path}`),
        );
      }
    });
  }
}

test("a call without a host over HTTP/2 is served", async (t) => {
  const { url } = await startServer(t, { http2: "built-in", routes: echoRoutes({ say: (request) => request }) });
  const session = http2.connect(url);
  t.after(() => session.destroy());
  const headers = { ":method": "POST", ":path": SAY, ":authority": undefined, "content-type": "application/json" };
  const request = session.request(headers);
  request.end('"x"');
  assert.equal(Buffer.concat(await request.toArray()).toString(), '"x"');
});

const SAME = "http://evil.example"; // a page that is same-origin by DNS rebinding

/** Requests of browsers, and calls that browsers do not make. */
const REQUESTS = {
  "GET /": { method: "GET", path: "/" },
  "HEAD /": { method: "HEAD", path: "/" },
  "GET of a file": { method: "GET", path: "/-/index.js" },
  "GET of a method": { method: "GET", path: `${SAY}?encoding=json&message=%22x%22` },
  "POST of a page": { ...CALL, headers: { ...CALL.headers, origin: SAME } },
  "POST without Origin": CALL,
} as const;

async function outcome(version: HttpVersion, authority: string, name: keyof typeof REQUESTS, host: string) {
  const { headers, ...request } = { headers: {}, ...REQUESTS[name] };
  const field = version === "HTTP/2" ? ":authority" : "host";
  return send(version, authority, { ...request, headers: { ...headers, [field]: host } });
}

for (const version of HTTP_VERSIONS) {
  for (const name of Object.keys(REQUESTS) as (keyof typeof REQUESTS)[]) {
    const isBrowser = name !== "POST without Origin";
    for (const { hosts, allowed } of [
      { hosts: undefined, allowed: false },
      { hosts: [".friend.example", "10.1.2.3"], allowed: false },
      { hosts: ["*"], allowed: true },
      { hosts: [".example"], allowed: true },
    ]) {
      test(`${name} of a foreign host is ${allowed || !isBrowser ? "served" : "refused"} with allowedHosts ${hosts}, over ${version}`, async (t) => {
        const { authority, log } = await startServer(t, {
          allowedHosts: hosts,
          routes: echoRoutes({ say: (request) => request }),
        });
        for (const host of ["evil.example:50051", "a.evil.example"]) {
          const { status, body } = await outcome(version, authority, name, host);
          if (allowed || !isBrowser) assert.notEqual(status, 403, host);
          else {
            assert.equal(status, 403, host);
            const text = `serve host "${host}": not one of the allowed hosts (--allowed-hosts)\n`;
            assert.equal(body.toString(), name.startsWith("HEAD") ? "" : text);
          }
        }
        const [line, ...more] = log.splice(0);
        if (allowed || !isBrowser) assert.equal(line, undefined);
        else assert.equal(line, 'refuse a browser that names host "evil.example:50051": not allowed');
        assert.deepEqual(more, [], "more than a line a second");
      });
    }

    test(`${name} of a loopback name is served by default, over ${version}`, async (t) => {
      const { authority } = await startServer(t, { routes: echoRoutes({ say: (request) => request }) });
      for (const host of [
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "a.b.localhost",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:1",
      ]) {
        assert.notEqual((await outcome(version, authority, name, host)).status, 403, host);
      }
    });
  }

  test(`a page of an allowed origin may call by any host, over ${version}`, async (t) => {
    const routes = echoRoutes({ say: (request) => request });
    const { authority, log } = await startServer(t, { corsOrigins: [SAME], routes });
    assert.equal((await outcome(version, authority, "POST of a page", "evil.example")).status, 200);
    const other = { ...CALL, headers: { ...CALL.headers, origin: "http://other.example" } };
    const host = version === "HTTP/2" ? ":authority" : "host";
    const { status } = await send(version, authority, {
      ...other,
      headers: { ...other.headers, [host]: "evil.example" },
    });
    assert.equal(status, 403);
    assert.equal(log.splice(0).length, 1);
  });
}

for (const [allowed, served, refused] of [
  ["a.example", ["a.example:1", "A.example."], ["b.a.example", "aa.example"]],
  [".a.example", ["a.example", "c.b.a.example"], ["aa.example", "example"]],
  ["::ffff", ["[0:0::ffff]:1"], ["[::fffe]"]],
  ["[::2]", ["[::2]"], ["[::3]"]],
  ["10.0.0.1", ["10.0.0.1:80", "10.1"], ["10.0.0.2"]],
] as const) {
  test(`the allowed host ${allowed} is compared in the spelling of browsers`, async (t) => {
    const { authority, log } = await startServer(t, { allowedHosts: [allowed] });
    for (const host of served) assert.equal((await outcome("HTTP/1.1", authority, "GET /", host)).status, 200, host);
    for (const host of refused) assert.equal((await outcome("HTTP/1.1", authority, "GET /", host)).status, 403, host);
    log.length = 0;
  });
}

test("an invalid allowed host is refused when the server is created", () => {
  for (const host of ["a:80", "[::1]:80", "http://a", "", ".", "a b", "a/b"]) {
    assert.throws(() => createServer({ routes: () => {}, allowedHosts: [host] }), {
      name: "TypeError",
      message: `allow host ${JSON.stringify(host)}: must be a name or an address without a port, .example.com for all names of a domain, or *`,
    });
  }
});

test("a server that listens beyond loopback serves every host by default", async () => {
  const server = createServer({ routes: () => {}, homePage: true, log: () => {} });
  const { port } = await server.listen({ host: "0.0.0.0", port: 0 });
  try {
    assert.equal((await outcome("HTTP/1.1", `127.0.0.1:${port}`, "GET /", "evil.example")).status, 200);
  } finally {
    await server.close({ delayMs: 0, idleMs: 0 });
  }
});

test("a client that names many hosts fills no memory, and costs others one check in 64 of its requests", () => {
  for (const [max, isForgotten] of [
    [undefined, true],
    [Number.POSITIVE_INFINITY, false],
  ] as const) {
    const passed = new PassedAuthorities(max);
    passed.add("first.localhost");
    let checks = 0;
    for (let i = 0; i < 6_400; i++) {
      passed.add(`${i}.localhost`);
      if (passed.has("localhost")) continue;
      checks++;
      passed.add("localhost");
    }
    assert.ok(checks <= 6_400 / 62, `${checks} checks`);
    assert.equal(passed.has("first.localhost"), !isForgotten);
  }
});

test("an authority that is longer than a name of DNS is checked each time", () => {
  const passed = new PassedAuthorities();
  passed.add("a".repeat(261));
  assert.ok(!passed.has("a".repeat(261)));
});
