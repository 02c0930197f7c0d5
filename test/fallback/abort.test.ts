/** Clients that leave in the middle of a request to the fallback, and listeners that destroy their connection. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import { data, HANDSHAKE, headers } from "../http2/support/frames.ts";
import { send } from "../support/http.ts";
import { connectTo } from "../support/raw.ts";
import { type OpenRequest, open, startBare, startFallback, VARIANTS, type Variant } from "./support.ts";

/** The events of a request whose client leaves, on a server of node:http. */
async function eventsOf(t: TestContext, { version, options }: Variant, isBare: boolean, leave: Leave) {
  const events: string[] = [];
  const closed = Promise.withResolvers<void>();
  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    const log = (name: string) => () => void events.push(name);
    req.on("aborted", log("req aborted")).on("close", log("req close"));
    req.on("error", (error: NodeJS.ErrnoException) => events.push(`req error ${error.code}`));
    res.on("close", log("res close")).on("finish", log("res finish"));
    req.socket.on("close", () => setImmediate(() => closed.resolve()));
    leave.listen(req, res);
  };
  const url = isBare ? `http://${await startBare(t, listener)}` : (await startFallback(t, listener, options)).url;
  await leave.client(open(t, isBare ? "HTTP/1.1" : version, url, "POST", "/path"));
  await closed.promise;
  return events;
}

interface Leave {
  /** Serves the request. */
  listen(req: IncomingMessage, res: ServerResponse): void;
  /** Makes the request, and leaves. */
  client(request: OpenRequest): Promise<void>;
}

const LEAVES: Readonly<Record<string, Leave>> = {
  "before the response": {
    listen: (req) => void req.resume(),
    async client({ body, cancel }) {
      body.write("some");
      await sleep(50);
      cancel();
    },
  },
  "in the middle of the response": {
    listen: (req, res) => void req.resume().once("data", () => res.write("some")),
    async client({ body, response, cancel }) {
      body.write("some");
      await once((await response).body, "data");
      cancel();
    },
  },
  "after the request, in the middle of the response": {
    listen: (req, res) => void req.resume().on("end", () => res.write("some")),
    async client({ body, response, cancel }) {
      body.end("some");
      await once((await response).body, "data");
      cancel();
    },
  },
};

for (const variant of VARIANTS) {
  const { name, version, options } = variant;
  for (const [when, leave] of Object.entries(LEAVES)) {
    test(`over ${name}, a client that leaves ${when} causes the events of node:http`, async (t) => {
      const here = await eventsOf(t, variant, false, leave);
      const there = await eventsOf(t, variant, true, leave);
      assert.deepEqual(here.sort(), there.sort());
    });
  }

  test(`over ${name}, the signal of a fetch request aborts when the client leaves, and the request's body fails`, async (t) => {
    const aborted = Promise.withResolvers<string>();
    const failed = Promise.withResolvers<unknown>();
    const fallback: Fallback = {
      async fetch(request) {
        request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason.name));
        await request.arrayBuffer().catch(failed.resolve);
        throw request.signal.reason;
      },
    };
    const { url } = await startFallback(t, fallback, options);
    const request = open(t, version, url, "POST", "/path");
    request.body.write("some");
    await sleep(50);
    request.cancel();
    assert.equal(await aborted.promise, "AbortError");
    assert.ok((await failed.promise) instanceof Error);
  });

  test(`over ${name}, the body of a fetch response is cancelled when the client leaves`, async (t) => {
    const cancelled = Promise.withResolvers<{ name: string }>();
    const fallback: Fallback = {
      fetch: () =>
        new Response(
          new ReadableStream({
            pull: (controller) =>
              new Promise((resolve) => setTimeout(resolve, 1)).then(() => controller.enqueue(Buffer.from("some"))),
            cancel: cancelled.resolve,
          }),
        ),
    };
    const { url } = await startFallback(t, fallback, options);
    const request = open(t, version, url, "GET", "/path");
    request.body.end();
    await once((await request.response).body, "data");
    request.cancel();
    assert.equal((await cancelled.promise).name, "AbortError");
  });

  for (const [what, destroy] of Object.entries({
    "its socket": (req: IncomingMessage) => void req.socket.destroy(),
    "its socket with an error": (req: IncomingMessage) => void req.socket.destroy(new Error("broken")),
    "the request": (req: IncomingMessage) => void req.destroy(),
    "the response": (_: IncomingMessage, res: ServerResponse) => void res.destroy(),
  })) {
    test(`over ${name}, the client's request fails if the listener destroys ${what}, and the next request is served`, async (t) => {
      let isFirst = true;
      const { url } = await startFallback(
        t,
        (req, res) => {
          if (!isFirst) return void res.end("next");
          if (req.url === "/started") res.write("some", () => destroy(req, res));
          else destroy(req, res);
        },
        options,
      );
      for (const path of ["/path", "/started"]) {
        isFirst = true;
        await assert.rejects(
          async () => {
            const request = open(t, version, url, "GET", path);
            request.body.end();
            await (await request.response).body.toArray();
            throw new assert.AssertionError({ message: "the response is complete" });
          },
          (error) => !(error instanceof assert.AssertionError),
        );
        isFirst = false;
        assert.equal((await send(version, url, { method: "GET", path })).body.toString(), "next");
      }
    });
  }
}

for (const variant of VARIANTS) {
  test(`over ${variant.name}, a HEAD request is cancelled when its client leaves`, async (t) => {
    const closed = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const { url } = await startFallback(
      t,
      (_, res) => {
        begun.resolve();
        res.on("close", closed.resolve);
      },
      variant.options,
    );
    const request = open(t, variant.version, url, "HEAD", "/path");
    request.body.end();
    await begun.promise;
    request.cancel();
    await closed.promise;
  });
}

for (const http2 of ["built-in", "node"] as const) {
  // node:http2 before 22.13.1 never closes a session after a connection error (CVE-2025-23085).
  const skip = http2 === "node" && process.version.startsWith("v22.12.");
  test(`requests of a connection that ends at once are cancelled or left out: HTTP/2 ${http2}`, { skip }, async (t) => {
    const { authority, url } = await startFallback(t, (_, res) => void res.end("served"), { http2 });
    const head = [
      [":scheme", "http"],
      [":path", "/path"],
      [":authority", "localhost"],
    ] as const;
    const requests = Array.from({ length: 30 }, (_, i) =>
      headers(
        2 * i + 1,
        [[":method", "POST"], ...head, ...(i % 2 === 0 ? [["expect", "100-continue"] as const] : [])],
        0,
      ),
    );
    const connect = headers(61, [
      [":method", "CONNECT"],
      [":authority", "a:1"],
    ]);
    // The last frame is a connection error, so that the server ends the connection while it handles the requests.
    const bytes = Buffer.concat([HANDSHAKE, ...requests, connect, data(0, "x")]);
    for (let i = 0; i < 20; i++) {
      const socket = await connectTo(authority);
      socket.on("error", () => {}).resume();
      socket.write(bytes);
      await sleep(5);
      socket.destroySoon();
    }
    assert.equal((await send("HTTP/2", url, { method: "GET", path: "/path" })).body.toString(), "served");
  });
}
