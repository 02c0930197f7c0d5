/** Basic HTTP: the home page, unsupported methods and media types, and unknown names. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CELLS, callIn, envelope } from "../support/cells.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { connectTo, exchangeBytes, turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const ADD = "/calls.v1.CallService/Add";
const PATHS = ["/", ADD, "/no.Such/Thing"];

for (const version of HTTP_VERSIONS) {
  test(`GET / lists the services and commands to call them, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { status, headers, body } = await send(version, authority, { method: "GET", path: "/" });
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; charset=utf-8");
    const text = body.toString();
    assert.match(text, /^ {2}calls\.v1\.CallService: Add, Record$/m);
    assert.match(text, /^ {2}grpc\.health\.v1\.Health: Check, /m);
    assert.match(text, /^ {2}grpc\.reflection\.v1\.ServerReflection: /m);
    const call = `-d '{"a":1,"b":2}' http://${authority}/calls.v1.CallService/Add`;
    assert.ok(text.includes(`curl -H 'Content-Type: application/json' ${call}`), text);
    assert.ok(text.includes(`npx buf curl --http2-prior-knowledge ${call}`), text);
    assert.ok(text.includes(`grpcurl -plaintext -d '{"a":1,"b":2}' ${authority} calls.v1.CallService/Add`), text);
  });

  test(`HEAD / has the header of GET / and no body, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { status, headers, body } = await send(version, authority, { method: "HEAD", path: "/" });
    assert.deepEqual([status, headers["content-type"], body.length], [200, "text/plain; charset=utf-8", 0]);
  });

  for (const [path, allow] of [
    ["/", "GET, HEAD, OPTIONS"],
    [ADD, "POST, GET, OPTIONS"],
    ["/grpc.health.v1.Health/Check", "POST, OPTIONS"],
  ] as const) {
    test(`a method that ${path} does not allow gets 405 with the allowed methods, over ${version}`, async (t) => {
      const { authority } = await startServer(t);
      const methods = ["PUT", "DELETE", ...(path === "/" ? ["POST"] : ["HEAD"])];
      for (const method of methods) {
        const { status, headers, body } = await send(version, authority, { method, path });
        assert.deepEqual([status, headers.allow, body.length], [405, allow, 0], method);
      }
      const { status, headers } = await send(version, authority, { method: "OPTIONS", path });
      assert.deepEqual([status, headers.allow], [204, allow]);
    });
  }

  test(`an unsupported media type of a unary method gets 415 with the supported types, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    for (const type of ["text/plain", "application/xml", "application/connect+proto", "application/grpc-web-text"]) {
      const request = { path: ADD, headers: { "content-type": type }, body: "" };
      const { status, headers } = await send(version, authority, request);
      assert.equal(status, 415, type);
      assert.equal(
        headers["accept-post"],
        "application/proto, application/json, application/grpc, application/grpc+proto, application/grpc+json, " +
          "application/grpc-web, application/grpc-web+proto, application/grpc-web+json",
      );
    }
  });

  test(`an unsupported media type of a streaming method gets 415 with the supported types, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    for (const type of ["text/plain", "application/json"]) {
      const request = { path: "/grpc.health.v1.Health/Watch", headers: { "content-type": type }, body: "" };
      const { status, headers } = await send(version, authority, request);
      assert.equal(status, 415, type);
      assert.match(String(headers["accept-post"]), /^application\/connect\+proto, application\/connect\+json, app/);
    }
  });

  test(`each media type in Accept-Post is supported, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const wrong = { path: ADD, headers: { "content-type": "text/plain" }, body: "" };
    const { headers } = await send(version, authority, wrong);
    for (const type of String(headers["accept-post"]).split(", ")) {
      const message = Buffer.from(type.endsWith("json") ? "{}" : "");
      const body = type.includes("grpc") ? envelope(message) : message;
      const { status } = await send(version, authority, { path: ADD, headers: { "content-type": type }, body });
      assert.equal(status, 200, type);
    }
  });

  test(`HEAD of an unknown name is 404 without a body, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const { status, body } = await send(version, authority, { method: "HEAD", path: "/no.Such/Thing" });
    assert.deepEqual([status, body.length], [404, 0]);
  });

  test(`bytes beyond ASCII in a field cause no server error, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    for (const [name, path] of ["content-type", "x-mine"].flatMap((name) =>
      PATHS.map((path) => [name, path] as const),
    )) {
      const headers = { "content-type": "application/grpc", [name]: "application/grpc\xff\xe2" };
      const { status } = await send(version, authority, { path, headers, body: "" });
      assert.ok(status < 500, `${name} at ${path}: ${status}`);
    }
  });

  test(`GET of a method with side effects is not allowed, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const path = "/grpc.health.v1.Health/Check?connect=v1&encoding=json&message=%7B%7D";
    const { status, headers } = await send(version, authority, { method: "GET", path });
    assert.deepEqual([status, headers.allow], [405, "POST, OPTIONS"]);
  });
}

for (const cell of CELLS) {
  const message = Buffer.from(cell.codec === "json" ? "{}" : "");

  test(`an unknown service is unimplemented, and the error names the services, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t);
    const outcome = await callIn(cell, authority, { path: "/no.Such/Thing", message });
    const services = "calls.v1.CallService, grpc.health.v1.Health, grpc.reflection.v1.ServerReflection, ";
    assert.equal(outcome.code, "unimplemented");
    assert.equal(
      outcome.message,
      `call "/no.Such/Thing": no such service; served are ${services}grpc.reflection.v1alpha.ServerReflection`,
    );
    assert.equal(outcome.status, cell.protocol.startsWith("gRPC") ? 200 : 404);
  });

  test(`an unknown method is unimplemented, and the error names the service's methods, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t);
    const outcome = await callIn(cell, authority, { path: "/grpc.health.v1.Health/Chek", message });
    assert.equal(outcome.code, "unimplemented");
    assert.equal(
      outcome.message,
      'call "/grpc.health.v1.Health/Chek": no such method; grpc.health.v1.Health has Check, Watch, List',
    );
    assert.equal(outcome.status, cell.protocol.startsWith("gRPC") ? 200 : 404);
  });
}

test("an unknown method in gRPC has its status in the HEADERS frame that ends the stream", async (t) => {
  const { url } = await startServer(t);
  const session = http2.connect(url);
  t.after(() => session.destroy());
  const headers = { ":method": "POST", ":path": "/no.Such/Thing", "content-type": "application/grpc", te: "trailers" };
  const stream = session.request(headers).end(envelope(Buffer.of()));
  const [head, flags] = await once(stream, "response");
  assert.equal(head[":status"], 200);
  assert.equal(head["content-type"], "application/grpc+proto");
  assert.equal(head["grpc-status"], "12");
  assert.ok(flags & http2.constants.NGHTTP2_FLAG_END_STREAM, "the frame does not end the stream");
});

test("a long unknown path is cut in the error", async (t) => {
  const { authority } = await startServer(t);
  const { status, body } = await send("HTTP/2", authority, { path: `/${"x".repeat(10_000)}` });
  assert.equal(status, 404);
  assert.ok(body.length < 500, `${body.length} bytes`);
});

test("a bidi method over HTTP/1.1 gets 505", async (t) => {
  const { authority } = await startServer(t, { routes: echoRoutes({ async *chat() {} }) });
  const request = { path: `/${Echo.typeName}/Chat`, headers: { "content-type": "application/connect+json" }, body: "" };
  assert.equal((await send("HTTP/1.1", authority, request)).status, 505);
});

const BAD_AUTHORITIES = ["[", "a:99999", "a b", "a/b", "user@host", "a?b", "a#b", "[::1", "a:b", "::1", "a\\b", ""];

test("an invalid Host gets 400, over HTTP/1.1", async (t) => {
  const { authority } = await startServer(t);
  for (const host of BAD_AUTHORITIES) {
    for (const path of PATHS) {
      const request = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
      assert.match(await exchangeBytes(authority, request), /^HTTP\/1\.1 400 /, `${JSON.stringify(host)} at ${path}`);
    }
  }
  assert.equal((await send("HTTP/1.1", authority, { method: "GET", path: "/" })).status, 200);
});

test("a request without Host gets 400 over HTTP/1.1, and is served over HTTP/1.0", async (t) => {
  const { authority } = await startServer(t);
  for (const [version, status] of [
    ["1.1", 400],
    ["1.0", 200],
  ]) {
    const headers = `Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n`;
    const request = `POST ${ADD} HTTP/${version}\r\n${headers}\r\n{}`;
    assert.match(await exchangeBytes(authority, request), RegExp(`^HTTP/1\\.1 ${status} `), `HTTP/${version}`);
  }
});

test("an invalid :authority or Host gets 400 at / over HTTP/2, unless node:http2 has reset its stream", async (t) => {
  const { authority } = await startServer(t);
  for (const bad of BAD_AUTHORITIES) {
    for (const [name, path] of [":authority", "host"].map((name) => [name, "/"] as const)) {
      const headers = { [name]: bad, "content-type": "application/grpc" };
      const result = await send("HTTP/2", authority, { path, headers, body: "" }).then(
        ({ status }) => status,
        (error) => error.message,
      );
      assert.match(
        String(result),
        process.env.HTTP2 === "node" ? /^400$|NGHTTP2_PROTOCOL_ERROR/ : /^400$/,
        `${name} ${JSON.stringify(bad)} at ${path}`,
      );
    }
  }
  assert.equal((await send("HTTP/2", authority, { method: "GET", path: "/" })).status, 200);
});

test("valid authorities are served", async (t) => {
  const { authority } = await startServer(t, { allowedHosts: ["*"] });
  for (const host of ["localhost", "a.example:80", "a.example:", "127.0.0.1:1", "[::1]", "[::1]:50051", "a_b"]) {
    for (const version of HTTP_VERSIONS) {
      const headers = { [version === "HTTP/2" ? ":authority" : "host"]: host };
      const { status } = await send(version, authority, { method: "GET", path: "/", headers });
      assert.equal(status, 200, `${host} over ${version}`);
    }
  }
});

test("a request target in absolute form with an invalid authority gets 400", async (t) => {
  const { authority } = await startServer(t);
  for (const target of ["http://[/", "http://@/", "http://u:p@localhost/", "http://a:99999/", "http:///"]) {
    const request = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    assert.match(await exchangeBytes(authority, request), /^HTTP\/1\.1 400 /, target);
  }
});

test("the commands at / have https for a client behind a TLS proxy", async (t) => {
  const { url, authority } = await startServer(t);
  const session = http2.connect(url);
  t.after(() => session.destroy());
  const request = session.request({ ":path": "/", ":scheme": "https" });
  const text = Buffer.concat(await request.toArray()).toString();
  const call = `-d '{"a":1,"b":2}' https://${authority}/calls.v1.CallService/Add`;
  assert.ok(text.includes(`  curl -H 'Content-Type: application/json' ${call}`), text);
  assert.ok(text.includes(`  npx buf curl ${call}`), text);
  assert.ok(text.includes(`  grpcurl -d '{"a":1,"b":2}' ${authority} calls.v1.CallService/Add`), text);
});

test("the home page is served with a query too", async (t) => {
  const { authority } = await startServer(t);
  for (const version of HTTP_VERSIONS) {
    assert.equal((await send(version, authority, { method: "GET", path: "/?x=1" })).status, 200);
  }
});

test("a request target in absolute form is served, and overrides Host", async (t) => {
  const { authority } = await startServer(t);
  const call = (target: string, host: string): Promise<string> => {
    const fields = `Host: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 13`;
    return exchangeBytes(authority, `POST ${target} HTTP/1.1\r\n${fields}\r\n\r\n{"a":1,"b":2}`);
  };
  assert.match(await call(`http://${authority}${ADD}`, authority), /^HTTP\/1\.1 200 .*\{"sum":3\}$/s);
  assert.match(await call(`http://other.example${ADD}?x=1`, authority), /^HTTP\/1\.1 200 .*\{"sum":3\}$/s);
  assert.match(await call(`http://${authority}${ADD}`, "["), /^HTTP\/1\.1 200 .*\{"sum":3\}$/s);
  assert.match(await call(`http://[${ADD}`, authority), /^HTTP\/1\.1 40[04] /);
});

for (const fastPath of [true, false]) {
  test(`a pipelined request that expects 100-continue gets it before its response, ${fastPath ? "with" : "without"} the fast path`, async (t) => {
    const { authority } = await startServer(t, { fastPath });
    const post = (...fields: string[]) =>
      [`POST ${ADD} HTTP/1.1`, "Host: x", "Content-Type: application/json", "Content-Length: 2", ...fields].join(
        "\r\n",
      );
    const both = `${post()}\r\n\r\n{}${post("Expect: 100-continue", "Connection: close")}\r\n\r\n{}`;
    const answers = await exchangeBytes(authority, both);
    assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.1 200"]);
  });
}

for (const [what, chunk, status] of [
  ["a chunk whose size is not a number", "zz\r\n", 400],
  ["a chunk with more extensions than Node takes", `1;${"a".repeat(40_000)}\r\n`, 413],
] as const) {
  test(`${what} gets ${status}`, async (t) => {
    const { authority } = await startServer(t);
    const fields = "Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    const answer = await exchangeBytes(authority, `POST ${ADD} HTTP/1.1\r\n${fields}\r\n\r\n`, chunk);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*\r\nConnection: close\r\n`, "s"));
  });
}

test("an invalid chunk after the response gets no second response", async (t) => {
  const { authority } = await startServer(t);
  const fields = "Host: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked";
  const answers = await exchangeBytes(authority, `POST ${ADD} HTTP/1.1\r\n${fields}\r\n\r\n`, "zz\r\n");
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 415"]);
});

for (const version of HTTP_VERSIONS) {
  test(`an unknown expectation is ignored, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const headers = { "content-type": "application/json", expect: "x" };
    const { status, body } = await send(version, authority, { path: ADD, headers, body: Buffer.from('{"a":1}') });
    assert.deepEqual([status, body.toString()], [200, '{"sum":1}']);
  });
}

test("a CONNECT behind a call closes the connection, and the call gets no wrong response", async (t) => {
  const abandoned = Promise.withResolvers<void>();
  const { authority } = await startServer(t, {
    routes: echoRoutes({
      say(_, { signal }) {
        signal.addEventListener("abort", () => abandoned.resolve());
        return new Promise(() => {});
      },
    }),
  });
  const fields = "Host: x\r\nContent-Type: application/json\r\nContent-Length: 4";
  const call = `POST /fixture.Echo/Say HTTP/1.1\r\n${fields}\r\n\r\n"hi"`;
  assert.equal(await exchangeBytes(authority, call, "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"), "");
  await abandoned.promise;
});

test("a CONNECT behind streams cancels those that wait to write", async (t) => {
  const ended: string[] = [];
  const { authority } = await startServer(t, {
    routes: echoRoutes({
      async *repeat({ value }) {
        try {
          for (;;) yield { value: "x".repeat(20_000) };
        } finally {
          ended.push(value);
        }
      },
    }),
  });
  const stream = (value: string): string => {
    const body = envelope(Buffer.from(JSON.stringify(value))).toString("latin1");
    const fields = `Host: x\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}`;
    return `POST /fixture.Echo/Repeat HTTP/1.1\r\n${fields}\r\n\r\n${body}`;
  };
  const socket = await connectTo(authority);
  socket.on("error", () => {}).pause();
  socket.write(stream("a") + stream("b") + stream("c"), "latin1");
  await turns(50);
  socket.write("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n");
  while (ended.length < 3) await turns(1);
  socket.destroy();
  assert.deepEqual(ended.sort(), ["a", "b", "c"]);
});

test("invalid trailers after a large response end only their call", async (t) => {
  const { authority, log } = await startServer(t, {
    routes: echoRoutes({
      say(_, { responseTrailer }) {
        responseTrailer.set("x-trailer", "a\x01b"); // Headers accepts it
        return { value: "x".repeat(40_000) };
      },
    }),
  });
  const headers = { "content-type": "application/grpc+json" };
  const body = envelope(Buffer.from('"hi"'));
  for (let i = 0; i < 2; i++) {
    await assert.rejects(send("HTTP/1.1", authority, { path: "/fixture.Echo/Say", headers, body }));
  }
  assert.match(log.splice(0).join("\n"), /^respond to \/fixture\.Echo\/Say: .*x-trailer/);
});

for (const { requestMs, cut } of [
  { requestMs: 100, cut: true },
  { requestMs: Number.POSITIVE_INFINITY, cut: false },
]) {
  test(`over node:http2, with requestMs ${requestMs}, a body that never ends ${cut ? "gets 408" : "is waited for"}`, async (t) => {
    const { url, limits } = await startServer(t, { http2: "node", limits: { requestMs } });
    const session = http2.connect(url);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/calls.v1.CallService/Add",
      "content-type": "application/json",
    });
    stream.on("error", () => {});
    stream.write("{");
    const answer = once(stream, "response").then(([headers]) => headers[":status"]);
    assert.equal(await Promise.race([answer, sleep(1_000, "none")]), cut ? 408 : "none");
    assert.equal(limits.length, cut ? 1 : 0);
    session.destroy(); // the server's close would wait for the call
  });
}
