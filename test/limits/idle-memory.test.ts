/** Tests that idle connections keep no memory of their last call. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Budget } from "../../src/server/limits/budget.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { QueuedResponses } from "../../src/server/limits/queued-responses.ts";
import { connectionPeer } from "../../src/server/listener/forwarded-peer.ts";
import { TrustedProxies } from "../../src/server/listener/trusted-proxies.ts";
import { Http1Server } from "../../src/server/node-http/http1.ts";
import { connectTo } from "../support/raw.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

for (const [who, peerOf] of [
  ["a client", undefined],
  ["a trusted proxy", (socket: Socket) => connectionPeer(socket, TrustedProxies.of(["loopback"]) as TrustedProxies)],
] as const) {
  test(`an idle connection of ${who} over HTTP/1.1 keeps neither its last request nor the response`, async (t) => {
    const kept: WeakRef<object>[] = [];
    const http1 = new Http1Server({
      handler(exchange) {
        kept.push(new WeakRef(exchange), new WeakRef(exchange.request));
        exchange.respond({ status: 200, fields: [] }, Buffer.from(`answer ${exchange.peer.address}`));
      },
      limits: DEFAULT_LIMITS,
      buffered: new Budget(DEFAULT_LIMITS.bufferedBytes),
      queued: new QueuedResponses(DEFAULT_LIMITS, () => {}),
      onLimit() {},
      peerOf,
      endExchanges() {},
    });
    const server = createServer((socket) => http1.accept(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const sockets: Socket[] = [];
    for (const path of ["/", "/other"]) {
      // The server keeps the newest head, for later requests with an equal one.
      const socket = await connectTo(`127.0.0.1:${(server.address() as AddressInfo).port}`);
      t.after(() => socket.destroy());
      sockets.push(socket);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n`);
      const [answer] = await once(socket, "data");
      assert.match(String(answer), peerOf ? /answer 192\.0\.2\.7$/ : /answer 127\.0\.0\.1$/);
    }
    const first = kept.slice(0, 2);
    const alive = (): boolean => first.some((each) => each.deref() !== undefined);
    for (let tries = 0; tries < 100 && alive(); tries++) {
      await sleep(10);
      collectGarbage();
    }
    assert.deepEqual([kept.length, alive(), sockets[0]?.readyState], [4, false, "open"]);
  });
}
