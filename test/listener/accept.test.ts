/** Tests connections that the caller accepts and passes to the server: sockets, TLS sockets and in-memory streams. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { Duplex, duplexPair, PassThrough, Readable, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { createClient, createContextValues } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { LogRecord } from "../../src/server/log/record.ts";
import { type CallRequest, peerKey } from "../../src/server/rpc/context-values.ts";
import { createServer, type Server, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { ROOT } from "../support/command.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { checkedText } from "../support/log.ts";
import { Echo, echoRoutes } from "../support/protos.ts";

const CALL = {
  path: "/calls.v1.CallService/Add",
  headers: { "content-type": "application/json" },
  body: '{"a":1,"b":2}',
};
const REQUEST = `POST ${CALL.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n${CALL.body}`;
const CLIENT = await AUTHORITY.issue({ subject: "CN=a client" });
const CLOSE_MS = 5_000;

interface Accepting {
  readonly server: Server;
  /** The entries of the log. The test fails if it ends with an entry that it did not remove. */
  readonly log: string[];
}

function startAccepting(t: TestContext, options: Partial<ServerOptions> = {}): Accepting {
  const log: string[] = [];
  const keep = (record: LogRecord): unknown => record.event === "node_http2" || log.push(checkedText(record));
  const server = createServer({ routes: callRoutes, log: keep, ...options });
  t.after(async () => {
    const started = performance.now();
    await server.close({ idleMs: 0, graceMs: CLOSE_MS, abortMs: CLOSE_MS });
    assert.ok(performance.now() - started < CLOSE_MS, "closing hangs");
    assert.deepEqual(log, []);
  });
  return { server, log };
}

/** Starts a server of node:net or node:tls, and returns its port. */
async function listen(t: TestContext, server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Ways to make a connection to a server that accepts it. */
const CONNECT: Readonly<Record<string, (t: TestContext, server: Server) => Promise<Duplex>>> = {
  "a socket": async (t, server) => net.connect(await listen(t, net.createServer(server.accept)), "127.0.0.1"),
  "a paused socket": async (t, server) => {
    const listener = net.createServer({ pauseOnConnect: true }, (socket) => server.accept(socket));
    return net.connect(await listen(t, listener), "127.0.0.1");
  },
  "an in-memory stream": async (_, server) => {
    const [client, connection] = duplexPair();
    server.accept(connection);
    return client;
  },
};

/** Makes the client's side of TLS, if `secure`, over a connection. */
function over(connection: Duplex, secure: boolean, version: HttpVersion, more: tls.ConnectionOptions = {}) {
  const ALPNProtocols = [version === "HTTP/2" ? "h2" : "http/1.1"];
  const trust = { ca: AUTHORITY.cert, servername: "localhost", ALPNProtocols, ...more };
  return { createConnection: () => (secure ? tls.connect({ socket: connection, ...trust }) : (connection as Socket)) };
}

for (const http2 of ["built-in", "node"] as const) {
  for (const version of HTTP_VERSIONS) {
    for (const secure of [false, true]) {
      for (const [what, connect] of Object.entries(CONNECT)) {
        test(`a call over ${what} is served, ${secure ? "over TLS" : "plain"}, over ${version}, with HTTP/2 by ${http2}`, async (t) => {
          const { server } = startAccepting(t, { http2, tls: secure ? SERVER : undefined });
          const url = `${secure ? "https" : "http"}://localhost`;
          const { body } = await send(version, url, CALL, over(await connect(t, server), secure, version));
          assert.equal(body.toString(), '{"sum":3}');
        });
      }
    }

    for (const own of [undefined, SERVER]) {
      test(`a call over a decrypted TLSSocket is served by a server ${own ? "with" : "without"} TLS, over ${version}, with HTTP/2 by ${http2}`, async (t) => {
        const schemes: string[] = [];
        const contextValues = (request: CallRequest) => {
          schemes.push(request.scheme);
          return createContextValues();
        };
        const { server } = startAccepting(t, { http2, tls: own, contextValues });
        const ALPNProtocols = ["h2", "http/1.1"];
        const port = await listen(t, tls.createServer({ ...SERVER, ALPNProtocols }, server.accept));
        const connection = over(net.connect(port, "127.0.0.1"), true, version);
        assert.equal((await send(version, "https://localhost", CALL, connection)).body.toString(), '{"sum":3}');
        assert.deepEqual(schemes, ["https"]);
      });
    }
  }
}

test("equal requests over a socket and a decrypted TLSSocket have different schemes", async (t) => {
  const schemes: string[] = [];
  const { server } = startAccepting(t, {
    contextValues({ scheme }) {
      schemes.push(scheme);
      return createContextValues();
    },
  });
  const plain = await listen(t, net.createServer(server.accept));
  const secure = await listen(t, tls.createServer(SERVER, server.accept));
  const call = { ...CALL, headers: { ...CALL.headers, host: "localhost" } };
  for (const isSecure of [false, true, false]) {
    const connection = net.connect(isSecure ? secure : plain, "127.0.0.1");
    await send(
      "HTTP/1.1",
      isSecure ? "https://localhost" : "http://localhost",
      call,
      over(connection, isSecure, "HTTP/1.1"),
    );
  }
  assert.deepEqual(schemes, ["http", "https", "http"]);
});

test("a socket that another process hands over is served", async (t) => {
  const child = fork("test/fixtures/accepting.ts", { cwd: ROOT });
  t.after(() => child.kill("SIGKILL"));
  const listener = net.createServer({ pauseOnConnect: true }, (socket) => void child.send("socket", socket));
  const port = await listen(t, listener);
  for (const version of HTTP_VERSIONS) {
    assert.equal((await send(version, `127.0.0.1:${port}`, CALL)).body.toString(), '{"sum":3}');
  }
  child.disconnect();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("messages pass both ways over one in-memory stream", async (t) => {
  const { server } = startAccepting(t, {
    routes: echoRoutes({
      async *chat(requests) {
        for await (const { value } of requests) yield { value: value.toUpperCase() };
      },
    }),
  });
  const [client, connection] = duplexPair();
  server.accept(connection);
  const nodeOptions = { createConnection: () => client as Socket };
  const { chat } = createClient(Echo, createGrpcTransport({ baseUrl: "http://localhost", nodeOptions }));
  const long = "a".repeat(200_000); // several windows
  const next = Promise.withResolvers<void>();
  const answers: (string | undefined)[] = [];
  async function* requests() {
    yield { value: "one" };
    await next.promise;
    yield { value: long };
  }
  for await (const { value } of chat(requests())) {
    answers.push(value);
    next.resolve();
  }
  assert.deepEqual(answers, ["ONE", long.toUpperCase()]);
});

test("the peer of an accepted connection is that of its socket, and unknown for a stream in memory", async (t) => {
  const peers: (string | undefined)[] = [];
  const { server } = startAccepting(t, {
    interceptors: [
      (next) => (request) => {
        peers.push(request.contextValues.get(peerKey)?.address);
        return next(request);
      },
    ],
  });
  for (const connect of [CONNECT["a socket"], CONNECT["an in-memory stream"]]) {
    for (const version of HTTP_VERSIONS) {
      await send(version, "http://localhost", CALL, over((await connect?.(t, server)) as Duplex, false, version));
    }
  }
  assert.deepEqual(peers, ["127.0.0.1", "127.0.0.1", undefined, undefined]);
});

for (const certified of [true, false]) {
  test(`a server with clientCa ${certified ? "serves" : "refuses"} a TLSSocket ${certified ? "with" : "without"} a client certificate`, async (t) => {
    const subjects: unknown[] = [];
    const { server, log } = startAccepting(t, {
      tls: { ...SERVER, clientCa: AUTHORITY.cert },
      interceptors: [
        (next) => (request) => {
          subjects.push(request.contextValues.get(peerKey)?.certificate?.subject);
          return next(request);
        },
      ],
    });
    const options = { ...SERVER, ca: AUTHORITY.cert, requestCert: true, rejectUnauthorized: false };
    const port = await listen(t, tls.createServer(options, server.accept));
    const credentials = certified ? CLIENT : {};
    const call = send("HTTP/1.1", "https://localhost", CALL, {
      ...over(net.connect(port, "127.0.0.1"), true, "HTTP/1.1", credentials),
    });
    if (certified) {
      assert.equal((await call).body.toString(), '{"sum":3}');
      assert.deepEqual(subjects, [{ CN: "a client" }]);
    } else {
      await assert.rejects(call);
      assert.deepEqual(log.splice(0), ["refuse a connection from 127.0.0.1: it has no trusted client certificate"]);
    }
  });
}

for (const [what, own] of [
  ["an accepted socket", undefined],
  ["a decrypted TLSSocket", undefined],
  ["a decrypted TLSSocket", SERVER],
] as const) {
  test(`a client that half-closes ${what} of a server ${own ? "with" : "without"} TLS gets the response to its request`, async (t) => {
    const { server } = startAccepting(t, { tls: own });
    const isSecure = what !== "an accepted socket";
    const port = await listen(t, isSecure ? tls.createServer(SERVER, server.accept) : net.createServer(server.accept));
    const connection = over(net.connect(port, "127.0.0.1"), isSecure, "HTTP/1.1").createConnection();
    connection.end(REQUEST);
    assert.match(String(Buffer.concat(await connection.toArray())), /^HTTP\/1\.1 200 OK\r\n.*\{"sum":3\}$/s);
  });
}

// Limits of a connection in memory, for which node:net does not measure anything.

const SETTINGS = "\0\0\0\x04\0\0\0\0\0";
const PREFACE = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SETTINGS}${SETTINGS.replace("\x04\0", "\x04\x01")}`;
const off = Number.POSITIVE_INFINITY;

for (const { limit, values, secure = false, sends, reads = true, entry = /./ } of [
  { limit: "firstBytesMs", values: { firstBytesMs: 200 }, sends: "", entry: /^limit firstBytesMs: / },
  {
    limit: "handshakeMs",
    values: { handshakeMs: 200 },
    secure: true,
    sends: "\x16\x03\x01",
    entry: /^limit handshakeMs: /,
  },
  { limit: "headersMs", values: { headersMs: 200 }, sends: "GET / HTTP/1.1\r\n", entry: /^limit headersMs: / },
  { limit: "requestMs", values: { requestMs: 200 }, sends: REQUEST.slice(0, -1), entry: /^limit requestMs: / },
  { limit: "idleMs", values: { idleMs: 200 }, sends: REQUEST, entry: null },
  { limit: "idleMs", values: { idleMs: 200, gracefulCloseMs: 100 }, sends: PREFACE, entry: null },
  {
    limit: "readBytesPerSecond",
    values: { readBytesPerSecond: 1_000_000, readRateMs: 200 },
    sends: REQUEST.replace(CALL.path, "/fixture.Echo/Say").replace(CALL.body, '"x"'.padEnd(13)),
    reads: false,
    entry: /^limit readBytesPerSecond: /,
  },
] as const) {
  for (const isOn of [true, false]) {
    test(`${limit} ${isOn ? "closes" : "off keeps"} a connection in memory that sends ${JSON.stringify(sends.slice(0, 12))}`, async (t) => {
      const limits = isOn
        ? values
        : Object.fromEntries(Object.keys(values).map((name) => [name, name === "readBytesPerSecond" ? 0 : off]));
      const { server, log } = startAccepting(t, {
        limits,
        tls: secure ? SERVER : undefined,
        routes(router) {
          callRoutes(router);
          router.service(Echo, { say: () => ({ value: "a".repeat(1_000_000) }) });
        },
      });
      const [client, connection] = duplexPair();
      t.after(() => client.destroy());
      server.accept(connection);
      client.write(sends, "latin1");
      if (reads) client.on("end", () => client.end()).resume();
      await Promise.race([once(connection, "close"), sleep(isOn ? CLOSE_MS : 1_500)]);
      assert.equal(connection.destroyed, isOn);
      if (isOn && entry !== null) assert.match(log.splice(0).join("\n"), entry);
      connection.destroy();
    });
  }
}

for (const limits of [{ connections: 2 }, { connectionsPerAddress: 2 }, {}]) {
  test(`accepted sockets and those of a listener count together, with limits ${JSON.stringify(limits)}`, async (t) => {
    const { server, log } = startAccepting(t, { limits });
    const { port } = await server.listen({ port: 0 });
    const other = await listen(t, net.createServer(server.accept));
    const sockets: Socket[] = [];
    for (const each of [port, other, other, port]) {
      const socket = net
        .connect(each, "127.0.0.1")
        .on("error", () => {})
        .resume();
      t.after(() => socket.destroy());
      sockets.push(socket);
      await once(socket, "connect");
      await Promise.race([once(socket, "close"), sleep(100)]);
    }
    const isOff = Object.keys(limits).length === 0;
    assert.deepEqual(
      sockets.map(({ closed }) => closed),
      [false, false, !isOff, !isOff],
    );
    assert.equal(log.splice(0).length, isOff ? 0 : 1);
  });
}

test("a connection in memory counts for the limit on connections until it is closed", async (t) => {
  const { server, log } = startAccepting(t, { limits: { connections: 1 } });
  const [, first] = duplexPair();
  const [, second] = duplexPair();
  const [client, third] = duplexPair();
  server.accept(first);
  server.accept(second);
  assert.deepEqual([first.destroyed, second.destroyed], [false, true]);
  assert.deepEqual(log.splice(0), ["limit connections: connections exceed 1"]);
  first.destroy();
  await sleep(20);
  server.accept(third);
  assert.equal(
    (await send("HTTP/1.1", "http://x", CALL, over(client, false, "HTTP/1.1"))).body.toString(),
    '{"sum":3}',
  );
});

test("a stream that is closed or ended already is destroyed, and does not count", async (t) => {
  const { server } = startAccepting(t, { limits: { connections: 1 } });
  const [, closed] = duplexPair();
  closed.destroy();
  const [ending, ended] = duplexPair();
  ending.end();
  await once(ended.resume(), "end");
  for (const stream of [closed, ended]) server.accept(stream);
  assert.equal(ended.destroyed, true);
  const [client, connection] = duplexPair();
  server.accept(connection);
  assert.equal((await send("HTTP/1.1", "http://x", CALL, over(client, false, "HTTP/1.1"))).status, 200);
});

test("a stream that fails does not harm the server", async (t) => {
  const { server } = startAccepting(t);
  for (const sends of ["", "P", REQUEST.slice(0, 20), REQUEST, PREFACE]) {
    for (const error of [undefined, new Error("the stream broke")]) {
      const [client, connection] = duplexPair();
      client.on("error", () => {});
      server.accept(connection);
      client.write(sends, "latin1");
      await sleep(5);
      connection.destroy(error);
    }
  }
  assert.equal(await server.close({ idleMs: 0 }), 0);
});

for (const [connection, message] of [
  [undefined, "undefined is not a Duplex stream"],
  ["socket", "string is not a Duplex stream"],
  [{}, "object is not a Duplex stream"],
  [new Readable(), "object is not a Duplex stream"],
  [new Writable(), "object is not a Duplex stream"],
  [new Duplex({ objectMode: true }), "the stream is in object mode, and must be a stream of bytes"],
  [new PassThrough().setEncoding("utf8"), "the stream decodes utf8, and must return bytes"],
  [new net.Socket().setEncoding("latin1"), "the stream decodes latin1, and must return bytes"],
] as const) {
  test(`accept refuses ${String(connection)}: ${message}`, (t) => {
    const { server } = startAccepting(t);
    const refused = { name: "TypeError", message: `accept a connection: ${message}` };
    assert.throws(() => server.accept(connection as Duplex), refused);
  });
}

// The shutdown.

test("a connection is accepted during the delay of a shutdown, and destroyed after it", async (t) => {
  const { server } = startAccepting(t);
  const closed = server.close({ delayMs: 500, idleMs: 0 });
  const [client, connection] = duplexPair();
  server.accept(connection);
  const { status, headers } = await send("HTTP/1.1", "http://x", CALL, over(client, false, "HTTP/1.1"));
  assert.deepEqual([status, headers.connection], [200, "close"]);
  assert.equal(await closed, 0);
  const [, late] = duplexPair();
  late.on("error", assert.fail);
  server.accept(late);
  assert.equal(late.destroyed, true);
  const port = await listen(t, net.createServer(server.accept));
  await assert.rejects(send("HTTP/1.1", `127.0.0.1:${port}`, CALL), { code: /^(ECONNRESET|EPIPE)$/ });
});

for (const http2 of ["built-in", "node"] as const) {
  for (const secure of [false, true]) {
    for (const [what, connect] of Object.entries(CONNECT)) {
      test(`close waits for a call over ${what}, but not for a silent connection, ${secure ? "over TLS" : "plain"}, with HTTP/2 by ${http2}`, async (t) => {
        const running = Promise.withResolvers<void>();
        const go = Promise.withResolvers<void>();
        let calls = 0;
        const { server, log } = startAccepting(t, {
          http2,
          tls: secure ? SERVER : undefined,
          routes: echoRoutes({
            async say(request) {
              calls++;
              if (calls === 2) running.resolve();
              await go.promise;
              return request;
            },
          }),
        });
        await connect(t, server); // and is silent
        const begun = await connect(t, server);
        begun.write(Buffer.of(0x16, 3, 1)); // the start of a handshake; not HTTP either
        const call = { path: "/fixture.Echo/Say", headers: CALL.headers, body: '"x"' };
        const answers = HTTP_VERSIONS.map(async (version) => {
          const connection = over(await connect(t, server), secure, version);
          return send(version, secure ? "https://localhost" : "http://localhost", call, connection);
        });
        await running.promise;
        const closed = server.close({ idleMs: 0, graceMs: CLOSE_MS });
        await sleep(100);
        go.resolve();
        for (const { body } of await Promise.all(answers)) assert.equal(body.toString(), '"x"');
        assert.equal(await closed, 0);
        if (!secure)
          assert.match(log.splice(0).join(), /^refuse a connection[^,]*: it speaks TLS, and this port is plain$/);
      });
    }
  }
}

test("close cuts the calls over accepted connections", async (t) => {
  const { server } = startAccepting(t, { routes: echoRoutes({ say: () => new Promise(() => {}) }) });
  const [client, connection] = duplexPair();
  server.accept(connection);
  const call = { path: "/fixture.Echo/Say", headers: CALL.headers, body: '"x"' };
  const answer = send("HTTP/1.1", "http://x", call, over(client, false, "HTTP/1.1"));
  await sleep(50);
  assert.equal(await server.close({ idleMs: 0, graceMs: 50, abortMs: 0 }), 1);
  assert.match((await answer).body.toString(), /"unavailable"/);
  assert.equal(connection.destroyed, true);
});

test("a server that is disposed of is closed, and the methods do not need their object", async (t) => {
  const { server } = startAccepting(t);
  const { listen, accept, close, [Symbol.asyncDispose]: dispose } = server;
  const { port } = await listen({ port: 0 });
  const [client, connection] = duplexPair();
  accept(connection);
  assert.equal((await send("HTTP/1.1", "http://x", CALL, over(client, false, "HTTP/1.1"))).status, 200);
  assert.equal(await dispose(), undefined);
  await assert.rejects(once(net.connect(port, "127.0.0.1"), "connect"), { code: "ECONNREFUSED" });
  assert.equal(await close(), 0);
  await dispose(); // again
});
