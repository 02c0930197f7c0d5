/** Connections over sockets: plain and TLS, many at a time, with large bodies and unshifted bytes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Exchange, Handler } from "../../src/server/http/exchange.ts";
import { SettingId } from "../../src/server/http2/frames/types.ts";
import { ReadBuffer } from "../../src/server/http2/read-buffer.ts";
import { allocateBuffer } from "../../src/server/limits/buffer-memory.ts";
import { GET, HANDSHAKE, headers, ping, rstStream, settings, windowUpdate } from "./support/frames.ts";
import { echo, OK } from "./support/harness.ts";
import { call, connect, createTestHttp2, pause, RawClient, responseOf, startServer } from "./support/server.ts";

/**
 * The least number of collections of the young generation for 1.3 GB of buffers. Measured: 50, and up to 2 with V8 alone. V8
 * turns some into collections of the whole heap if it has begun one.
 */
const LEAST_MINOR = 20;

interface GcEntry {
  readonly detail: { readonly kind: number };
}

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

test("bytes that were unshifted into the socket are read first", async (t) => {
  const http2Server = createTestHttp2(echo);
  const server = net.createServer((socket) => {
    socket.once("data", (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      http2Server.accept(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    http2Server.destroy();
    server.close();
  });
  const session = connect(t, { port: (server.address() as AddressInfo).port });
  assert.equal((await call(session, "hello")).body.toString(), "hello");
});

test("a TLS socket is served, and many large bodies at a time pass through it unchanged", async (t) => {
  // With a pre-shared key, no certificate is needed.
  const key = Buffer.alloc(32, 1);
  const tls = { ciphers: "PSK", ALPNProtocols: ["h2"] };
  const http2Server = createTestHttp2(stream);
  const server = createTlsServer({ ...tls, pskCallback: () => key }, (socket) => http2Server.accept(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    http2Server.destroy();
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
  const responses = await Promise.all(bodies.map((body) => call(session, body)));
  responses.forEach(({ body, trailers }, i) => {
    assert.ok(body.equals(bodies[i] as Buffer));
    assert.equal(trailers?.["x-end"], "1");
  });
});

test("a connection of the system is read into one buffer, and another stream into buffers of its own", async (t) => {
  const readBuffer = new ReadBuffer();
  const chunks: Buffer[] = [];
  const others: Buffer[] = [];
  const server = net.createServer((socket) => {
    readBuffer.attach(socket, (chunk) => {
      chunks.push(chunk);
      socket.write("next");
    });
    socket.on("data", (chunk: Buffer) => others.push(chunk));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const client = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  t.after(() => client.destroy());
  client.write("first");
  await once(client, "data");
  client.write("second");
  await once(client, "data");
  assert.deepEqual(others, []);
  assert.deepEqual(chunks.map(String), ["secon", "second"]);
  const [, stream] = duplexPair();
  readBuffer.attach(stream as net.Socket, () => assert.fail("the stream is not a connection of the system"));
});

test("while a peer reads nothing, waiting output takes little more memory than its bytes", async (t) => {
  const exchanges: Exchange[] = [];
  const server = await startServer(t, (exchange) => void exchanges.push(exchange));
  const client = await RawClient.connect(t, server);
  client.socket.pause();
  client.send(windowUpdate(0, 1 << 30), settings([SettingId.InitialWindowSize, 1 << 30]), headers(1, GET));
  while (exchanges.length === 0) await pause(1);
  const [exchange] = exchanges as [Exchange];
  const [socket] = server.sockets as Iterable<net.Socket> as [net.Socket];
  exchange.start(OK);
  while (socket.writableLength === 0) {
    void exchange.write(Buffer.alloc(16_000));
    await pause(0);
  }
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 500; i++) {
    void exchange.write(Buffer.alloc(20));
    await pause(0);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000); // with a buffer of 64 KiB for each, 32 MB
});

test("the memory of buffers is collected long before V8 would collect the whole heap", async () => {
  const collected: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collected.push((entry as unknown as GcEntry).detail.kind);
  });
  observer.observe({ entryTypes: ["gc"] });
  for (let i = 0; i < 13_000; i++) allocateBuffer(100_000);
  const minor = (): number => collected.filter((kind) => kind === constants.NODE_PERFORMANCE_GC_MINOR).length;
  for (let i = 0; i < 50 && minor() < LEAST_MINOR; i++) await pause(50); // entries come later
  observer.disconnect();
  assert.ok(minor() >= LEAST_MINOR, `${minor()} collections of the young generation for 1.3 GB`);
});

test("a thousand responses that wait in sockets all reach the caller that they belong to", async (t) => {
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

test("responses that handlers send immediately, later in the turn and in later turns arrive complete and in order", async (t) => {
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
  const responses = await Promise.all(paths.map((path) => call(session, path, { ":path": path })));
  assert.deepEqual(
    responses.map(({ body }) => body.toString()),
    paths,
  );
});

test("a thousand connections are served, and all sockets are closed afterwards", async (t) => {
  const server = await startServer(t);
  const clients: RawClient[] = [];
  for (let i = 0; i < 1_000; i++) clients.push(await RawClient.connect(t, server));
  for (const client of clients) client.send(headers(1, GET));
  await Promise.all(clients.map((client) => client.until(/^Headers 1 200 end/)));
  assert.equal(server.sockets.size, 1_000);
  for (const client of clients) client.socket.destroy();
  while (server.sockets.size > 0) await pause(2);
});

test("ten thousand calls with small windows are served over one connection", async (t) => {
  const server = await startServer(t);
  const session = connect(t, server, { settings: { initialWindowSize: 400 } });
  const body = "x".repeat(1_000);
  let left = 10_000;
  const caller = async () => {
    while (left-- > 0) assert.equal((await call(session, body)).body.length, 1_000);
  };
  await Promise.all(Array.from({ length: 50 }, caller));
});

test("256 MB are streamed to the server and back, and memory does not grow with them", async (t) => {
  const server = await startServer(t, stream);
  const session = connect(t, server);
  const piece = Buffer.alloc(1 << 16, "x");
  const before = process.memoryUsage.rss();
  let maxGrowth = 0;
  let received = 0;
  const request = session.request({ ":method": "POST", ":path": "/" });
  request.on("data", (chunk: Buffer) => {
    received += chunk.length;
    maxGrowth = Math.max(maxGrowth, process.memoryUsage.rss() - before);
  });
  for (let i = 0; i < 4_096; i++) if (!request.write(piece)) await once(request, "drain");
  request.end();
  await once(request, "end");
  assert.equal(received, 256 << 20);
  // The client and the server are in this process, with memory that the garbage collector has not freed yet.
  assert.ok(maxGrowth < 160 << 20, `${maxGrowth} bytes`);
});

test("a handler that waits for its writes uses little memory for a client that does not read", async (t) => {
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
  const blockedAt = written;
  assert.ok(blockedAt < 4 << 20, `${blockedAt} bytes`);
  request.resume();
  await once(request, "end");
  assert.equal(written, 64 << 20);
});

test("an upload that is not read is stopped by its window, and does not block other calls", async (t) => {
  const held: Exchange[] = [];
  const server = await startServer(t, (exchange) => {
    if (exchange.request.path === "/held") held.push(exchange);
    else echo(exchange);
  });
  const session = connect(t, server);
  const uploads = Array.from({ length: 8 }, () => {
    const request = session.request({ ":method": "POST", ":path": "/held" });
    request.end(Buffer.alloc(1 << 20));
    return responseOf(request);
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

test("a response before the end of a large upload reaches its client (8.1)", async (t) => {
  const server = await startServer(t, (exchange) =>
    exchange.respond({ status: 413, fields: [] }, Buffer.from("too much")),
  );
  const session = connect(t, server);
  const request = session.request({ ":method": "POST", ":path": "/" });
  request.on("error", () => {});
  request.write(Buffer.alloc(1 << 20));
  const { status, body } = await responseOf(request);
  assert.equal(status, 413);
  assert.equal(body.toString(), "too much");
  assert.equal((await call(session, "next")).status, 413);
});

test("the calls of a client that closes its side are cancelled", async (t: TestContext) => {
  const cancelled = Promise.withResolvers<void>();
  const server = await startServer(t, (exchange) => {
    exchange.onCancelled = () => cancelled.resolve();
  });
  const client = await RawClient.connect(t, server, Buffer.concat([HANDSHAKE, headers(1, GET)]));
  await client.until(/^Settings ack/);
  client.socket.end();
  await cancelled.promise;
  await client.closed;
});

test("a client that cancels a thousand calls in one burst keeps its connection", async (t) => {
  const server = await startServer(t, () => {});
  const client = await RawClient.connect(t, server);
  for (let i = 0; i < 1_000; i++) client.send(headers(1 + 2 * i, GET), rstStream(1 + 2 * i));
  client.send(ping());
  await client.until(/^Ping ack/);
  assert.ok(!client.received.some((text) => text.startsWith("Goaway")));
});
