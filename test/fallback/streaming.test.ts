/** Streams through the fallback: large bodies with backpressure in both directions, and responses that arrive in pieces. */
import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import { send } from "../support/http.ts";
import { open, startFallback, VARIANTS } from "./support.ts";

const MIB = 1 << 20;
const TOTAL_BYTES = 20 * MIB;
/** Bytes that the sockets of both sides and the flow-control windows may hold, on loopback. */
const IN_TRANSIT_BYTES = 13 * MIB;

/** Pieces of many sizes, with other bytes in each. */
function* pieces(total: number): Generator<Buffer> {
  for (let sent = 0, i = 0; sent < total; i++) {
    const length = Math.min(total - sent, (i * 7_919) % 150_000);
    yield Buffer.alloc(length, i);
    sent += length;
  }
}

function hashOf(parts: Iterable<Uint8Array>): string {
  let hash: Hash = createHash("sha256");
  for (const part of parts) hash = hash.update(part);
  return hash.digest("hex");
}

const EXPECTED = hashOf(pieces(TOTAL_BYTES));

/** Fallbacks that return the body of the request as they receive it, and count its bytes. */
const ECHOES = {
  "a listener":
    (count: (bytes: number) => void): Fallback =>
    (req: IncomingMessage, res: ServerResponse) => {
      req.on("data", (piece: Buffer) => count(piece.length));
      req.pipe(res);
    },
  "a fetch method": (count: (bytes: number) => void): Fallback => ({
    async fetch(request) {
      const counting = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          count(piece.length);
          controller.enqueue(piece);
        },
      });
      return new Response(request.body?.pipeThrough(counting) ?? null);
    },
  }),
};

/** A listener that reads as fast as the client sends, although the client does not read the response. */
function heedless(count: (bytes: number) => void): Fallback {
  return (req, res) => {
    req.on("data", (piece: Buffer) => {
      count(piece.length);
      res.write(piece);
    });
    req.on("end", () => res.end());
  };
}

for (const { name, version, options } of VARIANTS) {
  for (const [what, echo] of Object.entries(ECHOES)) {
    test(`over ${name}, ${what} returns a body of 20 MiB byte for byte`, async (t) => {
      const { url } = await startFallback(
        t,
        echo(() => {}),
        options,
      );
      const request = open(t, version, url, "POST", "/echo");
      Readable.from(pieces(TOTAL_BYTES)).pipe(request.body);
      const { body } = await request.response;
      assert.equal(hashOf(await body.toArray()), EXPECTED);
    });

    test(`over ${name}, ${what} stops reading while the client does not read`, async (t) => {
      let bytes = 0;
      const { url } = await startFallback(
        t,
        echo((more) => (bytes += more)),
        options,
      );
      const request = open(t, version, url, "POST", "/echo");
      Readable.from(pieces(TOTAL_BYTES)).pipe(request.body);
      const { body } = await request.response;
      await settled(() => bytes);
      assert.ok(bytes < IN_TRANSIT_BYTES, `${bytes} bytes were read`);
      assert.equal(hashOf(await body.toArray()), EXPECTED);
    });
  }

  test(`over ${name}, a listener that ignores backpressure reads on`, async (t) => {
    let bytes = 0;
    const { url } = await startFallback(
      t,
      heedless((more) => (bytes += more)),
      options,
    );
    const request = open(t, version, url, "POST", "/echo");
    Readable.from(pieces(TOTAL_BYTES)).pipe(request.body);
    const { body } = await request.response;
    await settled(() => bytes);
    assert.equal(bytes, TOTAL_BYTES);
    assert.equal(hashOf(await body.toArray()), EXPECTED);
  });

  for (const [what, fallback] of Object.entries<Fallback>({
    "a listener": (_, res) => next().then(() => res.end()),
    "a paused listener": (req, res) => {
      req.on("data", () => {}).pause();
      next().then(() => res.end());
    },
    "a fetch method": { fetch: () => next().then(() => new Response()) },
  })) {
    test(`over ${name}, ${what} that does not read the body stops the client`, async (t) => {
      const { url } = await startFallback(t, fallback, options);
      const request = open(t, version, url, "POST", "/ignored");
      let bytes = 0;
      const body = Readable.from(pieces(TOTAL_BYTES)).on("data", (piece) => (bytes += piece.length));
      body.pipe(request.body);
      await settled(() => bytes);
      assert.ok(bytes < IN_TRANSIT_BYTES, `${bytes} bytes were sent`);
      request.cancel();
      release(); // over HTTP/1.1, a server that does not read cannot notice that the client has left
    });
  }

  for (const [what, fallback] of Object.entries<Fallback>({
    "a listener": async (_, res) => {
      res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
      res.flushHeaders();
      for (let i = 0; ; i++) {
        await next();
        if (!res.writable) return;
        res.write(`data: ${i}\n\n`);
      }
    },
    "a fetch method": {
      fetch: () =>
        new Response(
          new ReadableStream({
            async start(controller) {
              for (let i = 0; ; i++) {
                await next();
                controller.enqueue(Buffer.from(`data: ${i}\n\n`));
              }
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        ),
    },
  })) {
    test(`over ${name}, the events of ${what} arrive one by one, after the head`, async (t) => {
      const { url } = await startFallback(t, fallback, options);
      const request = open(t, version, url, "GET", "/events");
      request.body.end();
      const { body } = await request.response;
      for (let i = 0; i < 3; i++) {
        release();
        const [event] = await once(body, "data");
        assert.equal(String(event), `data: ${i}\n\n`);
      }
      request.cancel();
    });
  }

  test(`over ${name}, early responses reach clients that send their whole request first`, async (t) => {
    const { url } = await startFallback(t, (_, res) => void res.writeHead(413).end("too large"), options);
    const { status, body } = await send(version, url, { path: "/upload", body: Buffer.alloc(MIB) });
    assert.deepEqual([status, body.toString()], [413, "too large"]);
  });
}

let release = (): void => {};

/** Resolves at the next call of `release`. */
function next(): Promise<void> {
  return new Promise((resolve) => {
    release = resolve;
  });
}

/** Resolves when a value has not changed for 200 ms. */
async function settled(value: () => number): Promise<void> {
  for (let last = -1; last !== value(); ) {
    last = value();
    await sleep(200);
  }
}
