/**
 * Fuzzes HTTP/1.1 with random bytes. The responses must not depend on how requests are split. Each connection must end
 * without an internal error, and the next good call must succeed.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Random } from "../../support/random.ts";
import { connectTo, turns } from "../../support/raw.ts";
import type { Target } from "./run.ts";
import { startFuzzed } from "./server.ts";

const PATHS = ["/fixture.Echo/Say", "/fixture.Echo/Repeat", "/fixture.Echo/Join", "/fixture.Echo/Nope", "/", "*"];
const TYPES = [
  "application/json",
  "application/proto",
  "application/grpc",
  "application/grpc-web+proto",
  "application/connect+json",
  "text/plain",
];
/** Bytes that are difficult for parsers. */
const NOISE = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  "\r\n\r\n",
  "0\r\n\r\n",
  "HTTP/1.1",
  "PRI * HTTP/2.0\r\n\r\n",
  "\xff",
];
const END_MS = 10_000;

/** Returns requests for a pipeline; the last one ends the connection. */
function pipeline(random: Random): Buffer[] {
  const count = 1 + random.below(4);
  return Array.from({ length: count }, (_, i) => request(random, i === count - 1));
}

function request(random: Random, last: boolean): Buffer {
  const fields = ["Host: localhost"];
  if (last) fields.push("Connection: close");
  if (random.chance(6)) fields.push("Expect: 100-continue");
  if (random.chance(6)) fields.push(`X-${random.word(3)}: ${random.text(20).trim()}`);
  if (random.chance(3)) {
    const query = new URLSearchParams({ encoding: "json", message: JSON.stringify(random.text(10)) });
    const method = random.pick(["GET", "GET", "HEAD", "OPTIONS"]);
    return Buffer.from(`${method} ${random.pick(PATHS)}?${query} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`, "latin1");
  }
  fields.push(`Content-Type: ${random.pick(TYPES)}`);
  let body = Buffer.from(random.chance(3) ? random.bytes(random.below(300)) : JSON.stringify(random.text(30)));
  if (random.chance(6)) {
    fields.push("Content-Encoding: gzip");
    body = gzipSync(body);
  }
  const framed = random.chance(2) ? chunked(random, body) : body;
  fields.push(framed === body ? `Content-Length: ${body.length}` : "Transfer-Encoding: chunked");
  const head = `POST ${random.pick(PATHS.slice(0, 4))} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), framed]);
}

function chunked(random: Random, body: Buffer): Buffer {
  const chunks = random.pieces(body).flatMap((piece) => [`${piece.length.toString(16)}\r\n`, piece, "\r\n"]);
  return Buffer.concat([...chunks, "0\r\n\r\n"].map((each) => Buffer.from(each as string, "latin1")));
}

function mutate(random: Random, bytes: Buffer): Buffer {
  let text = bytes.toString("latin1");
  for (let i = 1 + random.below(5); i > 0; i--) {
    const at = random.below(text.length + 1);
    const removed = random.chance(2) ? random.below(10) : 0;
    const added = random.pick(["", random.pick(NOISE), random.pick(NOISE), random.bytes(3).toString("latin1")]);
    text = text.slice(0, at) + added + text.slice(at + removed);
  }
  return Buffer.from(text, "latin1");
}

/** Sends the pieces, and a FIN if `end` is true. Returns all that the server sends. */
async function converse(authority: string, pieces: readonly Buffer[], end: boolean): Promise<string> {
  const socket = await connectTo(authority);
  let said = "";
  socket.setEncoding("latin1").on("data", (text) => {
    said += text;
  });
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {}); // the server may reset the connection
  for (const piece of pieces) {
    if (socket.writable) socket.write(piece);
    await turns(1);
  }
  if (end) socket.end();
  const timer = setTimeout(() => socket.destroy(new Error("the test's")), END_MS);
  let hangs = false;
  socket.on("error", ({ message }) => {
    hangs = message === "the test's";
  });
  await closed;
  clearTimeout(timer);
  assert.equal(hangs, false, `the connection does not end after ${said}`);
  assert.doesNotMatch(said, /HTTP\/1\.1 500|internal error/);
  return said.replaceAll(/^Date: .*\r\n/gm, "");
}

export const http1: Target = {
  name: "HTTP/1.1",
  async start() {
    const servers = [await startFuzzed(true), await startFuzzed(false)] as const;
    return {
      async attempt(random) {
        const { authority, check } = random.pick(servers);
        const bytes = Buffer.concat(pipeline(random));
        const whole = await converse(authority, [bytes], false);
        assert.equal(await converse(authority, random.pieces(bytes), false), whole);
        const changed = mutate(random, bytes);
        await converse(authority, random.chance(2) ? [changed] : random.pieces(changed), true);
        await check();
      },
      async end() {
        for (const server of servers) await server.close();
      },
    };
  },
};
