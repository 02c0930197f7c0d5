/** An answer that comes before the request's end is not lost (RFC 9112, 9.3; RFC 9113, 8.1), and what follows is bounded. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { HTTP_VERSIONS, send } from "./support/http.ts";
import { connectTo } from "./support/raw.ts";
import { startServer } from "./support/server.ts";

const SIZE = 1_000_000;
const HEAD = `POST /test.Test/GetSum HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${SIZE}\r\n\r\n`;

for (const version of HTTP_VERSIONS) {
  test(`a large request of a type that is not served is told so, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const headers = { "content-type": "text/plain" };
    const request = { path: "/test.Test/GetSum", headers, body: Buffer.alloc(SIZE) };
    assert.equal((await send(version, authority, request)).status, 415);
  });
}

test("over HTTP/1.1 the rest of an answered request is read, and the connection serves the next", async (t) => {
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
  test(`over HTTP/1.1, with discardedBytes ${discardedBytes}, half a megabyte after the answer is ${cut ? "cut" : "read"}`, async (t) => {
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

/** A connection on which half of a request was sent, and the whole answer to it came. */
async function answeredEarly(authority: string): Promise<Socket> {
  const socket = await connectTo(authority);
  socket.write(HEAD);
  socket.write(Buffer.alloc(SIZE / 2));
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /^HTTP\/1\.1 415 [\s\S]*\r\n\r\n/);
  return socket;
}
