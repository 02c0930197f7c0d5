/**
 * Tests that clients close idle connections before the server does, so that no call is sent on a closing connection.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { DEFAULT_LIMITS } from "../../src/server/limits/limits.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

/** The idle time of connect-node's connections, read from connect-node. */
const { idleConnectionTimeoutMs: CLIENT_MS } = (
  new Http2SessionManager("http://localhost") as unknown as { options: { idleConnectionTimeoutMs: number } }
).options;

/** Default idle times in ms: gRPC in Go, Java, C++ and Node, then Envoy, then load balancers of Google. */
const OTHERS = { gRPC: 1_800_000, Envoy: 3_600_000, "Google Cloud": 600_000, nginx: 60_000, "Go's net/http": 90_000 };

test("idleMs is longer than the idle time of each client and proxy", () => {
  for (const [name, ms] of Object.entries({ ...OTHERS, "connect-node": CLIENT_MS })) {
    assert.ok(DEFAULT_LIMITS.idleMs > ms, `${name}: ${ms}`);
  }
});

test("HTTP/1.1 announces idleMs, and the server closes a second later, after clients that follow the announcement", async (t) => {
  const { authority } = await startServer(t, { limits: { idleMs: 1_000 } });
  const socket = await connectTo(authority);
  const begun = performance.now();
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const answer = Buffer.concat(await socket.toArray()).toString();
  assert.match(answer, /^Keep-Alive: timeout=1\r$/m);
  const ms = performance.now() - begun;
  assert.ok(ms > 1_900, `closed after ${ms} ms`);
});

/** Makes each client call again after an idle time that is close to the shorter one of both idle times. */
async function failuresAtTheBorder(url: string, serverMs: number, clientMs: number): Promise<string[]> {
  const failures: string[] = [];
  async function callAgain(client: number): Promise<void> {
    const transport = createConnectTransport({ httpVersion: "2", baseUrl: url, idleConnectionTimeoutMs: clientMs });
    const { add } = createClient(CallService, transport);
    for (let round = 0; round < ROUNDS; round++) {
      await add({ a: 1, b: 2 }).catch((error) => failures.push(String(error)));
      // The server checks idle connections four times within their idle time.
      await sleep(Math.min(serverMs, clientMs) - 5 + (client / CLIENTS) * (Math.min(serverMs, clientMs) / 4 + 10));
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => callAgain(client)));
  return failures;
}

const CLIENTS = 60;
const ROUNDS = 6;
/** The factor by which the defaults of both sides are shortened. */
const SCALE = 2_000;

test("calls after an idle time close to the limit reach the server, with both defaults", async (t) => {
  const [serverMs, clientMs] = [DEFAULT_LIMITS.idleMs / SCALE, CLIENT_MS / SCALE];
  const { url } = await startServer(t, { limits: { idleMs: serverMs } });
  assert.deepEqual(await failuresAtTheBorder(url, serverMs, clientMs), []);
});
