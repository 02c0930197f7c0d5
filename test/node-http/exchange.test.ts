/** The exchange over a request and a response of Node's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Budget } from "../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../src/server/limits/queued-responses.ts";
import { NodeConnection } from "../../src/server/node-http/connection.ts";
import { createNodeListener } from "../../src/server/node-http/exchange.ts";
import { echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

test("a stream without a first message yet sends its head", async (t) => {
  const { promise: said, resolve: say } = Promise.withResolvers<void>();
  const { url } = await startServer(t, {
    routes: echoRoutes({
      async *repeat() {
        await said;
        yield create(StringValueSchema, { value: "late" });
      },
    }),
  });
  const response = await fetch(`${url}/fixture.Echo/Repeat`, {
    method: "POST",
    headers: { "content-type": "application/connect+proto" },
    body: Buffer.alloc(5),
  });
  assert.equal(response.headers.get("content-type"), "application/connect+proto");
  say();
  assert.match(await response.text(), /late/);
});

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
