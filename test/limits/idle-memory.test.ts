/** Tests that idle connections keep no memory of their last call. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Budget } from "../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../src/server/limits/queued-responses.ts";
import { Http1Server } from "../../src/server/node-http/http1.ts";
import { connectTo } from "../support/raw.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("an idle connection of HTTP/1.1 keeps neither its last request nor the response", async (t) => {
  const kept: WeakRef<object>[] = [];
  const http1 = new Http1Server({
    handler(exchange) {
      kept.push(new WeakRef(exchange));
      exchange.respond({ status: 200, fields: [] }, Buffer.from("answer"));
    },
    limits: DEFAULT_LIMITS,
    buffered: new Budget(DEFAULT_LIMITS.bufferedBytes),
    queued: new QueuedResponses(DEFAULT_LIMITS, () => {}),
    onLimit() {},
    endExchanges() {},
  });
  const server = createServer((socket) => http1.accept(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const socket = await connectTo(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => socket.destroy());
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /answer$/);
  for (let tries = 0; tries < 100 && kept[0]?.deref() !== undefined; tries++) {
    await sleep(10);
    collectGarbage();
  }
  assert.deepEqual([kept.length, kept[0]?.deref(), socket.readyState], [1, undefined, "open"]);
});
