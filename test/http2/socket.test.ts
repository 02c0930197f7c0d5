/** Connections over sockets: plain and TLS, bytes that were read before, many of them, and large bodies. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Exchange, Handler } from "../../src/server/http/exchange.ts";
import { echo, OK } from "./support/bench.ts";
import { answerOf, call, connect, createTestHttp2, pause, RawClient, startServer } from "./support/server.ts";
import { GET, HELLO, headers, ping, rstStream } from "./support/wire.ts";

/** Sends back each piece of the body as it comes. */
const stream: Handler = async (exchange) => {
  exchange.start(OK);
  try {
    for await (const piece of exchange.body) await exchange.write(piece);
    exchange.end([["x-end", "1"]]);
  } catch {
    exchange.reset();
  }
};

test("bytes that were read before and unshifted are read first", async (t) => {
  const engine = createTestHttp2(echo);
  const server = net.createServer((socket) => {
    socket.once("data", (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      engine.accept(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    engine.destroy();
    server.close();
  });
  const session = connect(t, { port: (server.address() as AddressInfo).port });
  assert.equal((await call(session, "hello")).body.toString(), "hello");
});

test("a TLS socket serves as well, and large bodies go through it unchanged, many at a time", async (t) => {
  // A key that both know spares a certificate.
  const key = Buffer.alloc(32, 1);
  const tls = { ciphers: "PSK", ALPNProtocols: ["h2"] };
  const engine = createTestHttp2(stream);
  const server = createTlsServer({ ...tls, pskCallback: () => key }, (socket) => engine.accept(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    engine.destroy();
    server.close();
  });
  const port = (server.address() as AddressInfo).port;
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    createConnection: () =>
      connectTls({
        ...tls,
        port,
        host: "127.0.0.1",
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk: key, identity: "test" }),
      }),
  });
  t.after(() => session.destroy());
  const bodies = Array.from({ length: 20 }, (_, i) => Buffer.alloc(300_000, i + 1));
  const answers = await Promise.all(bodies.map((body) => call(session, body)));
  answers.forEach(({ body, trailers }, i) => {
    assert.ok(body.equals(bodies[i] as Buffer));
    assert.equal(trailers?.["x-end"], "1");
  });
});

test("answers that wait in sockets are no other caller's: a thousand of them, read late, are each their own", async (t) => {
  const server = await startServer(t, (exchange) => {
    exchange.bufferBody(
      100,
      (bytes) => exchange.respond(OK, Buffer.alloc(20_000, bytes)),
      () => {},
    );
  });
  const sessions = Array.from({ length: 10 }, () => connect(t, server, { settings: { initialWindowSize: 1 << 20 } }));
  const calls = Array.from({ length: 1_000 }, async (_, i) => {
    const session = sessions[i % sessions.length] as http2.ClientHttp2Session;
    const name = `caller ${i};`;
    const { body } = await call(session, name);
    assert.ok(body.equals(Buffer.alloc(20_000, name)), name);
  });
  await Promise.all(calls);
});

test("answers that handlers give at once, later in the turn and in later turns leave whole and in order", async (t) => {
  const later: Record<string, (go: () => void) => void> = {
    "/now": (go) => go(),
    "/microtask": queueMicrotask,
    "/promise": async (go) => {
      for (let i = 0; i < 10; i++) await null;
      go();
    },
    "/tick": process.nextTick,
    "/turn": setImmediate,
    "/timer": (go) => void setTimeout(go, 5),
  };
  const server = await startServer(t, (exchange) => later[exchange.request.path]?.(() => echo(exchange)));
  const session = connect(t, server);
  const paths = Array.from({ length: 10 }, () => Object.keys(later)).flat();
  const answers = await Promise.all(paths.map((path) => call(session, path, { ":path": path })));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    paths,
  );
});

test("a thousand connections are served, and leave nothing behind", async (t) => {
  const server = await startServer(t);
  const clients: RawClient[] = [];
  for (let i = 0; i < 1_000; i++) clients.push(await RawClient.connect(t, server));
  for (const client of clients) client.send(headers(1, GET));
  await Promise.all(clients.map((client) => client.until(/^Headers 1 200 end/)));
  assert.equal(server.sockets.size, 1_000);
  for (const client of clients) client.socket.destroy();
  while (server.sockets.size > 0) await pause(2);
});

test("ten thousand calls go over one connection with small windows", async (t) => {
  const server = await startServer(t);
  const session = connect(t, server, { settings: { initialWindowSize: 400 } });
  const body = "x".repeat(1_000);
  let left = 10_000;
  const caller = async () => {
    while (left-- > 0) assert.equal((await call(session, body)).body.length, 1_000);
  };
  await Promise.all(Array.from({ length: 50 }, caller));
});

test("256 MB stream to the server and back, and memory does not grow with them", async (t) => {
  const server = await startServer(t, stream);
  const session = connect(t, server);
  const piece = Buffer.alloc(1 << 16, "x");
  const before = process.memoryUsage.rss();
  let most = 0;
  let got = 0;
  const request = session.request({ ":method": "POST", ":path": "/" });
  request.on("data", (chunk: Buffer) => {
    got += chunk.length;
    most = Math.max(most, process.memoryUsage.rss() - before);
  });
  for (let i = 0; i < 4_096; i++) if (!request.write(piece)) await once(request, "drain");
  request.end();
  await once(request, "end");
  assert.equal(got, 256 << 20);
  // Both ends are in this process, with what the collector has not yet come to.
  assert.ok(most < 160 << 20, `${most} bytes`);
});

test("a handler that waits for its writes fills no memory for a client that does not read", async (t) => {
  let written = 0;
  const server = await startServer(t, async (exchange) => {
    exchange.start(OK);
    for (; written < 64 << 20; written += 1 << 16) await exchange.write(Buffer.alloc(1 << 16));
    exchange.end();
  });
  const session = connect(t, server);
  const request = session.request({ ":path": "/" });
  await once(request, "response");
  request.pause();
  await pause(100);
  const stuck = written;
  assert.ok(stuck < 4 << 20, `${stuck} bytes`);
  request.resume();
  await once(request, "end");
  assert.equal(written, 64 << 20);
});

test("an upload that nobody reads is held back by its window, and holds back no other call", async (t) => {
  const held: Exchange[] = [];
  const server = await startServer(t, (exchange) => {
    if (exchange.request.path === "/held") held.push(exchange);
    else echo(exchange);
  });
  const session = connect(t, server);
  const uploads = Array.from({ length: 8 }, () => {
    const request = session.request({ ":method": "POST", ":path": "/held" });
    request.end(Buffer.alloc(1 << 20));
    return answerOf(request);
  });
  while (held.length < 8) await pause(2);
  assert.equal((await call(session, "hello")).body.toString(), "hello");
  for (const exchange of held) {
    let size = 0;
    for await (const piece of exchange.body) size += piece.length;
    assert.equal(size, 1 << 20);
    exchange.respond(OK, Buffer.alloc(0));
  }
  await Promise.all(uploads);
});

test("an answer that comes before a large upload's end reaches its client (8.1)", async (t) => {
  const server = await startServer(t, (exchange) =>
    exchange.respond({ status: 413, fields: [] }, Buffer.from("too much")),
  );
  const session = connect(t, server);
  const request = session.request({ ":method": "POST", ":path": "/" });
  request.on("error", () => {});
  request.write(Buffer.alloc(1 << 20));
  const { status, body } = await answerOf(request);
  assert.equal(status, 413);
  assert.equal(body.toString(), "too much");
  assert.equal((await call(session, "next")).status, 413);
});

test("a client that closes its side is gone, and its calls are abandoned", async (t: TestContext) => {
  const abandoned = Promise.withResolvers<void>();
  const server = await startServer(t, (exchange) => {
    exchange.onCancelled = abandoned.resolve;
  });
  const client = await RawClient.connect(t, server, Buffer.concat([HELLO, headers(1, GET)]));
  await client.until(/^Settings ack/);
  client.socket.end();
  await abandoned.promise;
  await client.closed;
});

test("a thousand calls cancelled in one burst leave an honest client its connection", async (t) => {
  const server = await startServer(t, () => {});
  const client = await RawClient.connect(t, server);
  for (let i = 0; i < 1_000; i++) client.send(headers(1 + 2 * i, GET), rstStream(1 + 2 * i));
  client.send(ping());
  await client.until(/^Ping ack/);
  assert.ok(!client.words.some((word) => word.startsWith("Goaway")));
});
