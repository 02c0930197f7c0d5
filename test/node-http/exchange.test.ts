/** The exchange over a request and a response of Node's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Budget } from "../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../src/server/limits/queued-responses.ts";
import { NodeConnection } from "../../src/server/node-http/connection.ts";
import { createNodeListener } from "../../src/server/node-http/node-listener.ts";
import { connectTo } from "../support/raw.ts";

test("a large write behind an earlier pipelined request is settled when the connection closes", async (t) => {
  const settled = Promise.withResolvers<void>();
  const state = {
    handler: () => {},
    limits: DEFAULT_LIMITS,
    queued: new QueuedResponses(DEFAULT_LIMITS, () => {}),
    buffered: new Budget(DEFAULT_LIMITS.bufferedBytes),
    onLimit: () => {},
  };
  const listener = createNodeListener((exchange) => {
    if (exchange.request.path === "/never") return;
    exchange.start({ status: 200, fields: [] });
    exchange.write(Buffer.alloc(100_000))?.then(settled.resolve);
    client.destroy();
  });
  const server = createServer((req, res) => listener(req, res, new NodeConnection(req.socket, state)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const client = await connectTo(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await settled.promise;
  assert.ok(client.destroyed);
});
