/** The limits on requests to the fallback. Each test runs again with its limit off, and then has another result. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type Duplex, Readable, type Writable } from "node:stream";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import type { Limits } from "../../src/server/limits/limits.ts";
import { AUTHORITY } from "../support/certificates.ts";
import { type HttpVersion, send } from "../support/http.ts";
import { connectTo } from "../support/raw.ts";
import { type OpenRequest, open, startFallback, VARIANTS } from "./support.ts";

const OFF = Number.POSITIVE_INFINITY;
const MIB = 1 << 20;

const READERS: Readonly<Record<string, Fallback>> = {
  "a listener": (req, res) => void req.resume().on("end", () => res.end("read")),
  "a fetch method": { fetch: async (request) => new Response(`read${(await request.text()).slice(0, 0)}`) },
};

/** Resolves with the status of the response and "open" or "closed", at the latest after `ms`. */
async function outcome(request: OpenRequest, ms: number): Promise<string> {
  const closed = request.response.then(
    async ({ status, body }) => {
      body.resume();
      await once(body, "close");
      return `${status}, closed`;
    },
    () => "closed",
  );
  const begun = (): Promise<string> => request.response.then(({ status }) => `${status}, open`);
  return Promise.race([closed, sleep(ms).then(() => Promise.race([begun(), sleep(1, "open")]))]);
}

/** Writes a piece at intervals, until the stream is closed or `count` pieces were written. */
async function trickle(body: Writable, piece: Buffer, ms: number, count = OFF): Promise<void> {
  for (let i = 0; i < count && !body.destroyed && !body.writableEnded; i++) {
    body.write(piece);
    await sleep(ms);
  }
}

/** Most of the time of these tests is waiting. */
const CONCURRENCY = 4;

for (const { name, version, options } of VARIANTS) {
  describe(`over ${name}`, { concurrency: CONCURRENCY }, () => {
    for (const [what, fallback] of Object.entries(READERS)) {
      const slow = async (t: TestContext, limits: Partial<Limits>, ms: number) => {
        const { url, limits: reached } = await startFallback(t, fallback, {
          ...options,
          limits: { earlyResponseMs: 50, ...limits },
        });
        const request = open(t, version, url, "POST", "/slow");
        void trickle(request.body, Buffer.from("a"), 20);
        const result = await outcome(request, ms);
        request.cancel();
        return { result, reached };
      };

      test(`a client that sends slowly to ${what} gets status 408`, async (t) => {
        const { result, reached } = await slow(t, { requestMs: 400 }, 10_000);
        assert.match(result, /^408, closed$/);
        assert.match(reached.shift() ?? "", /^limit requestMs: the request took over 400 ms/);
        assert.deepEqual(reached, []);
        assert.equal((await slow(t, { requestMs: OFF }, 1_000)).result, "open");
      });

      test(`a client may send a large body to ${what} for longer than requestMs`, async (t) => {
        const large = async (limits: Partial<Limits>) => {
          const { url } = await startFallback(t, fallback, {
            ...options,
            limits: { requestMs: 1_000, earlyResponseMs: 50, ...limits },
          });
          const request = open(t, version, url, "POST", "/slow");
          void trickle(request.body, Buffer.alloc(1_000), 50, 40).then(() => request.body.end());
          return outcome(request, 10_000);
        };
        assert.equal(await large({ messageBytes: 1_000 }), "200, closed");
        assert.equal(await large({ messageBytes: OFF }), "408, closed");
      });
    }

    test(`the time in which a listener does not read is not that of the client`, async (t) => {
      const { url } = await startFallback(
        t,
        async (req, res) => {
          await sleep(1_000);
          req.resume().on("end", () => res.end("read"));
        },
        { ...options, limits: { requestMs: 400 } },
      );
      const request = open(t, version, url, "POST", "/slow");
      request.body.end(Buffer.alloc(MIB));
      assert.equal(await outcome(request, 10_000), "200, closed");
    });

    for (const [what, fallback] of Object.entries<Fallback>({
      "a listener": (_, res) => void res.end(Buffer.alloc(20 * MIB)),
      "a listener in pieces": (_, res) => {
        Readable.from(Array.from({ length: 20 * 16 }, () => Buffer.alloc(MIB / 16))).pipe(res);
      },
      "a fetch method": { fetch: () => new Response(Buffer.alloc(20 * MIB)) },
    })) {
      // node:http2 does not tell how fast a client reads.
      if (options.http2 === "node") continue;
      test(`a client that does not read the response of ${what} is cut off`, async (t) => {
        const unread = async (limits: Partial<Limits>, ms: number) => {
          const { url, limits: reached } = await startFallback(t, fallback, { ...options, limits });
          const request = open(t, version, url, "GET", "/large");
          request.body.end();
          await request.response;
          for (const end = performance.now() + ms; reached.length === 0 && performance.now() < end; ) await sleep(50);
          request.cancel();
          return reached;
        };
        const reached = await unread({ readRateMs: 200 }, 10_000);
        assert.match(reached.shift() ?? "", /^limit readBytesPerSecond: responses are read at \d+ bytes per second/);
        assert.deepEqual(await unread({ readRateMs: 200, readBytesPerSecond: 0 }, 1_000), []);
      });
    }

    test(`responses that clients do not read are limited together, even if listeners ignore backpressure`, async (t) => {
      const unread = async (limits: Partial<Limits>, ms: number) => {
        const { url, limits: reached } = await startFallback(
          t,
          (_, res) => {
            for (let i = 0; i < 20 && res.writable; i++) res.write(Buffer.alloc(MIB));
          },
          { ...options, limits: { readRateMs: 200, readBytesPerSecond: 0, ...limits } },
        );
        const requests = Array.from({ length: 3 }, () => open(t, version, url, "GET", "/large"));
        for (const { body } of requests) body.end();
        for (const end = performance.now() + ms; reached.length === 0 && performance.now() < end; ) await sleep(50);
        for (const { cancel } of requests) cancel();
        return reached.map((entry) => entry.split(":")[0]);
      };
      assert.deepEqual(await unread({ queuedBytes: 32 * MIB }, 10_000), ["limit queuedBytes"]);
      assert.deepEqual(await unread({ queuedBytes: OFF }, 1_000), []);
    });

    test("requests in flight are limited, and those that end make room for others", async (t) => {
      const busy = async (callsInFlight: number) => {
        let inFlight = 0;
        const listener: Fallback = (_, res) => {
          inFlight++;
          res.on("close", () => inFlight--);
        };
        const { url, limits: reached } = await startFallback(t, listener, { ...options, limits: { callsInFlight } });
        const results: string[] = [];
        for (let round = 0; round < 2; round++) {
          const refused: number[] = [];
          const requests = Array.from({ length: 3 }, () => open(t, version, url, "GET", "/busy"));
          for (const { body, response } of requests) {
            body.end();
            response.then(({ status }) => refused.push(status)).catch(() => {});
          }
          while (inFlight + refused.length < requests.length) await sleep(10);
          results.push(`${inFlight} in flight, ${refused}`);
          for (const { cancel } of requests) cancel();
          while (inFlight > 0) await sleep(10);
        }
        return { results, reached };
      };
      const { results, reached } = await busy(2);
      assert.deepEqual(results, ["2 in flight, 503", "2 in flight, 503"]);
      assert.match(reached.shift() ?? "", /^limit callsInFlight: requests of the fallback in flight exceed 2/);
      assert.deepEqual((await busy(OFF)).results, ["3 in flight, ", "3 in flight, "]);
    });

    for (const [what, fallback] of Object.entries<Fallback>({
      "a listener": (_, res) => void res.end("early"),
      "a fetch method": { fetch: () => new Response("early") },
    })) {
      test(`the rest of a request is discarded within limits after an early response of ${what}`, async (t) => {
        const endless = async (discardedBytes: number) => {
          const { url, limits: reached } = await startFallback(t, fallback, {
            ...options,
            limits: { earlyResponseBytes: 1, discardedBytes },
          });
          const result = await upload(t, version, url, 16 * MIB);
          return { result, reached: reached.map((entry) => entry.split(":")[0]) };
        };
        assert.deepEqual(await endless(MIB), { result: "early, closed", reached: ["limit discardedBytes"] });
        assert.deepEqual(await endless(OFF), { result: "early, all sent", reached: [] });
      });
    }

    test(`a listener may set a timeout of its own`, async (t) => {
      const { url } = await startFallback(
        t,
        (req, res) => {
          if (req.url === "/handled") res.setTimeout(50, () => res.writeHead(503).end("timed out"));
          else req.socket.setTimeout(50); // without a listener, the connection is destroyed
        },
        options,
      );
      const { status, body } = await send(version, url, { method: "GET", path: "/handled" });
      assert.deepEqual([status, body.toString()], [503, "timed out"]);
      await assert.rejects(send(version, url, { method: "GET", path: "/unhandled" }));
    });
  });
}

test("pipelined requests to a listener are limited", async (t) => {
  const pipelined = async (pipelinedRequests: number) => {
    const { authority, limits } = await startFallback(t, () => {}, { limits: { pipelinedRequests } });
    const socket = await connectTo(authority);
    socket.resume().write("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20));
    await sleep(100);
    socket.destroy();
    return limits.map((entry) => entry.split(":")[0]);
  };
  assert.deepEqual(await pipelined(8), ["limit pipelinedRequests"]);
  assert.deepEqual(await pipelined(OFF), []);
});

/** Sends a body while reading the response. Resolves with that response, and "all sent" or "closed". */
async function upload(t: TestContext, version: HttpVersion, url: string, total: number): Promise<string> {
  const request = version === "HTTP/2" ? open(t, version, url, "POST", "/early") : await openRaw(url, total);
  const text: Buffer[] = [];
  void request.response.then(({ body }) => body.on("data", (piece) => text.push(piece)));
  const closed = once(request.body, "close").then(() => "closed");
  let sent = 0;
  for (const piece = Buffer.alloc(MIB / 16); sent < total && !request.body.destroyed; sent += piece.length) {
    if (!request.body.write(piece)) await Promise.race([once(request.body, "drain"), closed]);
  }
  await sleep(100);
  const isClosed = request.body.destroyed;
  request.cancel();
  return `${String(Buffer.concat(text)).split("\r\n").at(-1)}, ${isClosed ? "closed" : "all sent"}`;
}

/** Begins a request on a socket. The client of node:http would close the connection after the response. */
async function openRaw(url: string, length: number): Promise<Omit<OpenRequest, "body"> & { body: Duplex }> {
  const { hostname: host, port, protocol } = new URL(url);
  const to = { host, port: Number(port), ca: AUTHORITY.cert };
  const body = protocol === "https:" ? tls.connect(to) : connect(to);
  body.on("error", () => {});
  body.write(`POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`);
  return { body, response: Promise.resolve({ status: 0, body }), cancel: () => body.destroy() };
}
