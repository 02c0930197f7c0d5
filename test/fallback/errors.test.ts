/** Errors of the fallback: the client gets status 500 or a cut response, the log gets the error, the server lives on. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import { send } from "../support/http.ts";
import { open, startFallback, VARIANTS } from "./support.ts";

const ERROR = /^respond to GET "\/broken": Error: broken\n/;

/** Fallbacks that fail before anything is sent. */
const FAILING: Readonly<Record<string, Fallback>> = {
  "a listener that throws at once": () => {
    throw new Error("broken");
  },
  "a listener that throws after it has set headers": (_, res) => {
    res.statusCode = 200;
    res.setHeader("Set-Cookie", "secret=1").setHeader("Content-Length", 3).setHeader("ETag", '"1"');
    throw new Error("broken");
  },
  "a listener whose promise is rejected at once": async () => {
    throw new Error("broken");
  },
  "a listener whose promise is rejected later": async () => {
    await sleep(5);
    throw new Error("broken");
  },
  "a fetch method that throws": {
    fetch() {
      throw new Error("broken");
    },
  },
  "a fetch method whose promise is rejected": {
    async fetch() {
      await sleep(5);
      throw new Error("broken");
    },
  },
};

for (const { name, version, options } of VARIANTS) {
  for (const [what, fallback] of Object.entries(FAILING)) {
    test(`over ${name}, ${what} gets status 500 without details, and is logged`, async (t) => {
      const { url, log } = await startFallback(t, fallback, options);
      for (const request of [{ method: "GET" }, { method: "POST", body: "x" }]) {
        const { status, headers, body } = await send(version, url, { ...request, path: "/broken?secret=1" });
        assert.equal(status, 500);
        assert.equal(headers["content-type"], "text/plain; charset=utf-8");
        assert.equal(headers["set-cookie"], undefined);
        assert.equal(headers.etag, undefined);
        assert.equal(body.toString(), "Internal Server Error\n");
      }
      assert.match(log.shift() ?? "", ERROR);
      assert.deepEqual(log, [], "the log is throttled");
    });
  }

  /** Fallbacks that fail when a part of the response was sent. */
  const PART: Readonly<Record<string, Fallback>> = {
    "a listener": async (_, res) => {
      await written(res, "part");
      throw new Error("broken");
    },
    "a fetch method's body": {
      fetch() {
        return new Response(
          new ReadableStream({
            async start(controller) {
              controller.enqueue(Buffer.from("part"));
              await sleep(20);
              controller.error(new Error("broken"));
            },
          }),
        );
      },
    },
    "a fetch method's body that is not bytes": {
      fetch() {
        return new Response(
          new ReadableStream({
            async start(controller) {
              controller.enqueue(Buffer.from("part"));
              await sleep(20);
              controller.enqueue("text" as never);
            },
          }),
        );
      },
    },
    "a fetch method's body that is shorter than its length": {
      fetch: () => new Response(slowly("part"), { headers: { "content-length": "5" } }),
    },
    "a fetch method's body that is longer than its length": {
      fetch: () => new Response(slowly("part"), { headers: { "content-length": "3" } }),
    },
  };
  for (const [what, fallback] of Object.entries(PART)) {
    test(`over ${name}, the response of ${what} is cut off if it fails later`, async (t) => {
      const { url, log } = await startFallback(t, fallback, options);
      const request = open(t, version, url, "GET", "/broken");
      request.body.end();
      await assert.rejects(async () => (await request.response).body.toArray());
      assert.match(log.shift() ?? "", /^respond to GET "\/broken": (Type)?Error: /);
      assert.deepEqual(log, []);
    });
  }

  test(`over ${name}, an error after the whole response is only logged`, async (t) => {
    const { url, log } = await startFallback(
      t,
      async (_, res) => {
        res.end("whole");
        throw new Error("broken");
      },
      options,
    );
    assert.equal((await send(version, url, { method: "GET", path: "/broken" })).body.toString(), "whole");
    assert.match(log.shift() ?? "", ERROR);
  });

  test(`over ${name}, a result of fetch that is not a response gets status 500`, async (t) => {
    const results: unknown[] = [undefined, null, "text", { status: 200 }, Response.error()];
    const { url, log } = await startFallback(t, { fetch: () => results[0] as Response }, options);
    for (; results.length > 0; results.shift()) {
      const { status, body } = await send(version, url, { method: "GET", path: "/broken" });
      assert.equal(status, 500);
      assert.equal(body.toString(), "Internal Server Error\n");
    }
    assert.match(log.shift() ?? "", /^respond to GET "\/broken": TypeError: fetch must return a Response\n/);
  });

  test(`over ${name}, a listener that writes after its end, or sends its head twice, does not end the process`, async (t) => {
    const errors: unknown[] = [];
    const { url } = await startFallback(
      t,
      (_, res) => {
        res.end("whole");
        res.write("more");
        try {
          res.writeHead(404);
        } catch (error) {
          errors.push((error as { code?: string }).code);
        }
      },
      options,
    );
    for (let i = 1; i <= 2; i++) {
      const { status, body } = await send(version, url, { method: "GET", path: "/broken" });
      assert.deepEqual([status, body.toString()], [200, "whole"]);
      assert.equal(errors.length, i);
    }
    assert.deepEqual(new Set(errors), new Set(["ERR_HTTP_HEADERS_SENT"]));
  });
}

/** Writes a piece of a body. Resolves when it was sent. */
function written(res: ServerResponse, piece: string): Promise<unknown> {
  return new Promise((resolve) => res.write(piece, () => setTimeout(resolve, 20)));
}

/** Returns a body that is not ready in the first turn of the event loop. */
function slowly(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      await sleep(5);
      controller.enqueue(Buffer.from(text));
      controller.close();
    },
  });
}
