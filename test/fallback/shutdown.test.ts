/** The fallback while the server shuts down, and the resources that its requests leave behind. */
import assert from "node:assert/strict";
import { Agent, get } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Fallback } from "../../src/server/fallback/fallback.ts";
import { createServer } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { send } from "../support/http.ts";
import { connectTo, turns } from "../support/raw.ts";
import { open, startFallback, VARIANTS } from "./support.ts";

const NOW = { delayMs: 0, idleMs: 0, graceMs: 5_000, abortMs: 1_000 };

const SLOW: Readonly<Record<string, (released: Promise<void>) => Fallback>> = {
  "a listener": (released) => (_, res) => {
    res.write("first, ");
    void released.then(() => res.end("last"));
  },
  "a fetch method": (released) => ({
    fetch: () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(Buffer.from("first, "));
            await released;
            controller.enqueue(Buffer.from("last"));
            controller.close();
          },
        }),
      ),
  }),
};

for (const { name, version, options } of VARIANTS) {
  for (const [what, slow] of Object.entries(SLOW)) {
    test(`over ${name}, a response of ${what} that is in flight is completed by a shutdown`, async (t) => {
      const { promise, resolve: release } = Promise.withResolvers<void>();
      const { url, server } = await startFallback(t, slow(promise), options);
      const request = open(t, version, url, "GET", "/slow");
      request.body.end();
      const { body } = await request.response;
      const closed = server.close(NOW);
      await sleep(100);
      release();
      assert.equal(Buffer.concat(await body.toArray()).toString(), "first, last");
      assert.equal(await closed, 0, "no request was cut");
    });

    test(`over ${name}, a response of ${what} that does not end is cut when the grace time is over`, async (t) => {
      const { url, server } = await startFallback(t, slow(new Promise(() => {})), options);
      const request = open(t, version, url, "GET", "/slow");
      request.body.end();
      const { body } = await request.response;
      const ended = new Promise((resolve) => body.resume().on("close", resolve));
      assert.equal(await server.close({ ...NOW, graceMs: 200, abortMs: 100 }), 1);
      await ended;
    });
  }

  test(`over ${name}, requests leave no socket, no timer and no request behind`, async (t) => {
    const requests: WeakRef<object>[] = [];
    const { url } = await startFallback(
      t,
      (req, res) => {
        requests.push(new WeakRef(req), new WeakRef(res), new WeakRef(req.socket));
        if (req.url === "/never") return;
        req.resume().on("end", () => res.end("x"));
      },
      options,
    );
    const before = process.getActiveResourcesInfo().length;
    for (let i = 0; i < 10; i++) {
      await send(version, url, { path: "/whole", body: Buffer.alloc(100_000) });
      const request = open(t, version, url, "POST", "/never");
      request.body.write("x");
      while (requests.length < 6 * (i + 1)) await sleep(1);
      request.cancel();
    }
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let i = 0; i < 50 && requests.some((each) => each.deref() !== undefined); i++) {
      await sleep(10);
      collect();
    }
    // One request of each kind may be the last that a connection, a parser or a function has used.
    const left = requests.filter((each) => each.deref() !== undefined).length;
    assert.ok(left <= 12, `${left} of ${requests.length} objects are left`);
    assert.ok(process.getActiveResourcesInfo().length <= before + 4);
  });
}

test("a shutdown adds Connection: close to the response of a listener that is in flight", async (t) => {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const { url, server } = await startFallback(t, (_, res) => void promise.then(() => res.end("last")));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const response = new Promise<string | undefined>((resolve) =>
    get(`${url}/slow`, { agent }, (res) => res.resume().on("end", () => resolve(res.headers.connection))),
  );
  await sleep(50);
  const closed = server.close({ ...NOW, delayMs: 200 });
  release();
  assert.equal(await response, "close");
  const started = performance.now();
  assert.equal(await closed, 0);
  assert.ok(performance.now() - started < 1_000);
});

test("without a shutdown, the connection of a listener stays open", async (t) => {
  const { url } = await startFallback(t, (_, res) => void res.end("x"));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  for (let i = 0; i < 2; i++) {
    const connection = await new Promise<string | undefined>((resolve) =>
      get(`${url}/a`, { agent }, (res) => res.resume().on("end", () => resolve(res.headers.connection))),
    );
    assert.equal(connection, "keep-alive");
  }
});

test("in a shutdown, all pipelined requests get a response of the listener, and only the last closes the connection", async () => {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const server = createServer({
    routes: callRoutes,
    fallback: (req, res) => void promise.then(() => res.end(req.url)),
    log: () => {},
  });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const socket = await connectTo(`127.0.0.1:${port}`);
  const received = socket.toArray();
  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  socket.write(request("/1"));
  await turns(10);
  const closed = server.close({ ...NOW, delayMs: 200 });
  socket.write(request("/2") + request("/3"));
  await turns(10);
  release();
  const text = Buffer.concat(await received).toString();
  assert.deepEqual(text.match(/\/\d(?=HTTP|$)/g), ["/1", "/2", "/3"], text);
  assert.deepEqual(text.match(/Connection: \S+/g), [
    "Connection: keep-alive",
    "Connection: keep-alive",
    "Connection: close",
  ]);
  assert.equal(await closed, 0);
});
