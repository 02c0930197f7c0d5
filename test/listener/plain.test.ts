/** Tests one port with two HTTP versions: the first bytes decide, in any pieces. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { envelope } from "../support/cells.ts";
import { send } from "../support/http.ts";
import { connectTo, exchangeBytes, turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const HTTP1_CALL = Buffer.from(
  "POST /calls.v1.CallService/Add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
    'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"a":1,"b":2}',
);

const [DATA, HEADERS, SETTINGS, GOAWAY] = [0, 1, 4, 7];
const END_STREAM = 1;
const END_HEADERS = 4;

/** A call in gRPC over HTTP/2. */
const HTTP2_CALL = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(SETTINGS, 0, 0, Buffer.of()),
  frame(
    HEADERS,
    END_HEADERS,
    1,
    Buffer.concat([
      field(":method", "POST"),
      field(":scheme", "http"),
      field(":path", "/calls.v1.CallService/Add"),
      field(":authority", "localhost"),
      field("content-type", "application/grpc"),
      field("te", "trailers"),
    ]),
  ),
  frame(DATA, END_STREAM, 1, envelope(Buffer.of(0x08, 1, 0x10, 2))),
  frame(GOAWAY, 0, 0, Buffer.alloc(8)), // the client is done, so the server closes after the response
]);

/** The response of Add: 3. */
const HTTP2_SUM = envelope(Buffer.of(0x08, 3)).toString("latin1");

test("an HTTP/1.1 call is served at every split of its bytes", async (t) => {
  const { authority } = await startServer(t);
  await forEachSplit(HTTP1_CALL, async (start, end) => {
    assert.match(await exchangeBytes(authority, start, end), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n\{"sum":3\}$/s);
  });
});

test("an HTTP/2 call is served at every split of its bytes", async (t) => {
  const { authority } = await startServer(t);
  await forEachSplit(HTTP2_CALL, async (start, end) => {
    const answer = await exchangeBytes(authority, start, end);
    assert.ok(answer.includes(HTTP2_SUM), JSON.stringify(answer));
  });
});

test("a call of either version is served if its bytes are received one by one", async (t) => {
  const { authority } = await startServer(t);
  const bytes = (call: Buffer): Buffer[] => [...call].map((byte) => Buffer.of(byte));
  assert.match(await exchangeBytes(authority, ...bytes(HTTP1_CALL)), /\{"sum":3\}$/);
  assert.ok((await exchangeBytes(authority, ...bytes(HTTP2_CALL))).includes(HTTP2_SUM));
});

test("a method that begins like the HTTP/2 preface is served as HTTP/1.1", async (t) => {
  const { authority } = await startServer(t);
  for (const split of [0, 1, 2, 3, 4]) {
    const request = "PROPFIND / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const answer = await exchangeBytes(authority, request.slice(0, split), request.slice(split));
    assert.match(answer, /^HTTP\/1\.1 405 /);
  }
});

test("an HTTP/1.1 call of a client that then half-closes is served", async (t) => {
  const { authority } = await startServer(t);
  const socket = await connectTo(authority);
  socket.end(HTTP1_CALL);
  assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 200 OK\r\n.*\{"sum":3\}$/s);
});

test("an offer to upgrade to HTTP/2 is ignored, and the request is served", async (t) => {
  const { authority } = await startServer(t);
  const offer = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk";
  const answer = await exchangeBytes(authority, `GET / HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*These services answer/s);
});

test("bytes of neither version get 400, and the connection is closed", async (t) => {
  const { authority } = await startServer(t);
  for (const bytes of ["HELO localhost\r\n", "GET\r\n\r\n", "\0\0\0\0"]) {
    assert.match(await exchangeBytes(authority, bytes), /^HTTP\/1\.1 400 /);
  }
});

test("a connection that ends before its protocol is known is closed", async (t) => {
  const { authority } = await startServer(t);
  for (const start of ["", "P", "PRI"]) {
    const socket = await connectTo(authority);
    socket.end(start);
    assert.equal(Buffer.concat(await socket.toArray()).length, 0, start);
  }
});

test("a connection that is reset at any point does not harm the server", async (t) => {
  const { authority } = await startServer(t);
  const prefixes = [HTTP1_CALL, HTTP2_CALL].flatMap((call) =>
    [20, 40, -20, -5, call.length].map((end) => call.subarray(0, end)),
  );
  for (const start of ["", "P", ...prefixes]) {
    const socket = await connectTo(authority);
    if (start.length > 0) socket.write(start);
    await turns();
    socket.resetAndDestroy();
    await once(socket, "close");
  }
  assert.equal((await send("HTTP/1.1", authority, { method: "GET", path: "/" })).status, 200);
  assert.equal((await send("HTTP/2", authority, { method: "GET", path: "/" })).status, 200);
});

test("a connection whose protocol is not known is closed with the server", async (t) => {
  const { authority, server } = await startServer(t);
  const sockets = await Promise.all([connectTo(authority), connectTo(authority)]);
  sockets[0].write("PR");
  await turns();
  const closed = Promise.all(sockets.map((socket) => once(socket.on("error", () => {}).resume(), "close")));
  await server.close();
  await closed;
});

/** Runs `body` with the bytes split at every offset, several at the same time. */
async function forEachSplit(bytes: Buffer, body: (start: Buffer, end: Buffer) => Promise<void>): Promise<void> {
  const offsets = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1).values();
  async function run(): Promise<void> {
    for (const offset of offsets) await body(bytes.subarray(0, offset), bytes.subarray(offset));
  }
  await Promise.all([run(), run(), run(), run()]);
}

/** Returns a frame (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Returns a field as a literal without indexing (RFC 7541, 6.2.2). */
function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), ...[name, value].flatMap((text) => [Buffer.of(text.length), Buffer.from(text)])]);
}

for (const { peer, next } of [
  { peer: "waits", next: () => {} },
  { peer: "sends a byte and goes away", next: (socket: Socket) => socket.write("x", () => socket.destroy()) },
]) {
  test(`CONNECT gets 501, and its connection makes room for another if its peer ${peer}`, async (t) => {
    const { authority } = await startServer(t, { limits: { connections: 1 } });
    const socket = await connectTo(authority);
    t.after(() => socket.destroy());
    socket.allowHalfOpen = true; // so that the server closes first
    socket.on("error", () => {});
    socket.write("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n");
    assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 501 Not Implemented\r\n/);
    next(socket);
    const answers = () =>
      send("HTTP/1.1", authority, { method: "GET", path: "/" }).then(
        () => true,
        () => false,
      );
    while (!(await answers())) await sleep(20);
  });
}
