/** Early responses (RFC 9112, 9.3; RFC 9113, 8.1): clients do not lose them, and the rest of the request is limited. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CELLS, isGrpc } from "../support/cells.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const SIZE = 1_000_000;
const HEAD = `POST /calls.v1.CallService/Add HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${SIZE}\r\n\r\n`;

const TYPES: Readonly<Record<string, string>> = { gRPC: "grpc+", "gRPC-Web": "grpc-web+", Connect: "" };

for (const version of HTTP_VERSIONS) {
  test(`a large request of an unsupported type gets its response, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const headers = { "content-type": "text/plain" };
    const request = { path: "/calls.v1.CallService/Add", headers, body: Buffer.alloc(SIZE) };
    assert.equal((await send(version, authority, request)).status, 415);
  });
}

for (const cell of CELLS.filter(({ protocol }) => protocol !== "Connect GET")) {
  for (const fastPath of [true, false]) {
    test(`a call that is refused by its header gets a response before its body, ${fastPath ? "with" : "without"} the fast path, in ${cell.name}`, async (t) => {
      const { authority } = await startServer(t, { fastPath });
      const encoding = isGrpc(cell) ? "grpc-encoding" : "content-encoding";
      const headers = { "content-type": `application/${TYPES[cell.protocol]}${cell.codec}` };
      assert.equal(await answered(cell.http, authority, { ...headers, "content-type": "text/plain" }), 415);
      const unimplemented = isGrpc(cell) ? 200 : 501;
      assert.equal(await answered(cell.http, authority, { ...headers, [encoding]: "zstd" }), unimplemented);
    });
  }
}

/** Sends the header of a request and one byte of its body. Returns the status of the response. */
async function answered(http: HttpVersion, authority: string, headers: Record<string, string>): Promise<number> {
  if (http === "HTTP/1.1") {
    const socket = await connectTo(authority);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST /calls.v1.CallService/Add HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n${lines.join("")}\r\n0`);
    const [answer] = await once(socket, "data");
    socket.destroy();
    return Number(/^HTTP\/1\.1 (\d+)/.exec(String(answer))?.[1]);
  }
  const session = http2.connect(`http://${authority}`);
  const stream = session.request({ ":method": "POST", ":path": "/calls.v1.CallService/Add", ...headers });
  stream.on("error", () => {});
  stream.write("0");
  const [{ ":status": status }] = await once(stream, "response");
  session.destroy();
  return status;
}

test("over HTTP/1.1 the rest of a request is read after its response, and the connection serves the next request", async (t) => {
  const { authority } = await startServer(t);
  const socket = await answeredEarly(authority);
  socket.write(Buffer.alloc(SIZE / 2));
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 200 OK\r\n/);
});

for (const { discardedBytes, cut } of [
  { discardedBytes: 100_000, cut: true },
  { discardedBytes: Number.POSITIVE_INFINITY, cut: false },
]) {
  test(`over HTTP/1.1, with discardedBytes ${discardedBytes}, half a megabyte after the response is ${cut ? "cut" : "read"}`, async (t) => {
    const { authority } = await startServer(t, { limits: { discardedBytes } });
    const socket = await answeredEarly(authority);
    socket.on("error", () => {}); // it may be reset
    socket.write(Buffer.alloc(SIZE / 2));
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    await new Promise((resolve) => socket.on("close", resolve));
    assert.equal(answer.startsWith("HTTP/1.1 200 OK"), !cut);
  });
}

test("over HTTP/1.1 the connection closes after a last response only when the request is complete", async (t) => {
  const { authority } = await startServer(t);
  const socket = await answeredEarly(authority, HEAD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  let ended = false;
  socket.on("end", () => {
    ended = true;
  });
  await sleep(200);
  assert.equal(ended, false, "it has ended before the request has");
  socket.write(Buffer.alloc(SIZE / 2));
  assert.deepEqual(await socket.toArray(), [], "it ends without an error");
});

test("over HTTP/1.1 a client that sends over discardedBytes and reads late reads the response and the end", async (t) => {
  const { authority } = await startServer(t, { limits: { discardedBytes: 100_000, earlyResponseBytes: 1 } });
  const socket = await connectTo(authority);
  socket.pause();
  socket.write(HEAD);
  for (let sent = 0; sent < SIZE / 2; sent += 50_000) {
    socket.write(Buffer.alloc(50_000));
    await sleep(10);
  }
  const answer = Buffer.concat(await socket.toArray()).toString();
  assert.match(answer, /^HTTP\/1\.1 415 /);
});

/** Returns a connection on which half of a request was sent and its whole response was received. */
async function answeredEarly(authority: string, head = HEAD): Promise<Socket> {
  const socket = await connectTo(authority);
  socket.write(head);
  socket.write(Buffer.alloc(SIZE / 2));
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /^HTTP\/1\.1 415 [\s\S]*\r\n\r\n/);
  return socket;
}
