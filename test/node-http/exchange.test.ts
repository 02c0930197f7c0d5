/** The exchange over a request and a response of Node's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { Handler } from "../../src/server/http/exchange.ts";
import { Budget } from "../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../src/server/limits/queued-responses.ts";
import { NodeConnection } from "../../src/server/node-http/connection.ts";
import { createNodeListener } from "../../src/server/node-http/node-listener.ts";
import { connectTo, exchangeBytes } from "../support/raw.ts";

const OK = { status: 200, fields: [] };

/** Serves requests on a server of Node's, and returns its authority. */
async function serve(
  t: TestContext,
  handler: Handler,
  isExclusive: boolean,
  prepare: (res: ServerResponse) => void = () => {},
): Promise<string> {
  const context = {
    handler,
    limits: DEFAULT_LIMITS,
    queued: new QueuedResponses(DEFAULT_LIMITS, () => {}),
    buffered: new Budget(DEFAULT_LIMITS.bufferedBytes),
    onLimit: () => {},
    endExchanges: () => {},
  };
  const listener = createNodeListener(handler);
  const server = createServer((req, res) => {
    prepare(res);
    listener(req, res, new NodeConnection(req.socket, context, { isExclusive }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a large write behind an earlier pipelined request is settled when the connection closes", async (t) => {
  const settled = Promise.withResolvers<void>();
  const handler: Handler = (exchange) => {
    if (exchange.request.path === "/never") return;
    exchange.start(OK);
    exchange.write(Buffer.alloc(100_000))?.then(settled.resolve);
    client.destroy();
  };
  const client = await connectTo(await serve(t, handler, false));
  client.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await settled.promise;
  assert.ok(client.destroyed);
});

for (const [isExclusive, how] of [
  [true, "joined, up to 16 KiB"],
  [false, "one by one in an adapter, whose middleware may flush each"],
] as const) {
  test(`small pieces that are written without waiting are passed to Node ${how}`, async (t) => {
    const sizes: number[] = [];
    const authority = await serve(
      t,
      (exchange) => {
        exchange.start(OK);
        for (let i = 0; i < 40; i++) exchange.write(Buffer.alloc(1_000, "x"));
        exchange.end();
      },
      isExclusive,
      (res) => {
        const write = res.write.bind(res);
        res.write = (chunk: Buffer) => sizes.push(chunk.length) > 0 && write(chunk);
      },
    );
    const response = await exchangeBytes(authority, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.equal(response.match(/x/g)?.length, 40_000);
    assert.deepEqual(sizes, isExclusive ? [17_000, 17_000, 6_000] : new Array(40).fill(1_000));
  });
}

for (const isExclusive of [true, false]) {
  test(`a writer whose client does not read is stopped, and goes on when it reads, exclusive: ${isExclusive}`, async (t) => {
    const piece = Buffer.alloc(1_000, "x");
    const stopped = Promise.withResolvers<number>();
    let written = 0;
    const authority = await serve(
      t,
      async (exchange) => {
        exchange.start(OK);
        while (written < 50_000_000) {
          written += piece.length;
          const writable = exchange.write(piece);
          if (writable === undefined) continue;
          setTimeout(() => stopped.resolve(written), 200);
          await writable;
        }
        exchange.end();
      },
      isExclusive,
    );
    const client = await connectTo(authority);
    client.pause();
    client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.ok((await stopped.promise) < 20_000_000);
    let received = 0;
    for await (const chunk of client) received += chunk.length;
    assert.ok(received > 50_000_000, `${received} bytes came`);
  });
}
