/** Tests that two servers of one process share no state. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, createAuthority, LOOPBACK, SERVER } from "../support/certificates.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { echoRoutes } from "../support/protos.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const HEADERS = { "content-type": "application/json" };
const ADD = { path: "/calls.v1.CallService/Add", headers: HEADERS, body: '{"a":1,"b":2}' };
const SAY = { path: "/fixture.Echo/Say", headers: HEADERS, body: JSON.stringify("a".repeat(200)) };
const HEALTH = { method: "GET", path: "/healthz" };

for (const version of HTTP_VERSIONS) {
  test(`two servers have their own routes, limits, health and log, over ${version}`, async (t) => {
    const adds = await startServer(t, { limits: { messageBytes: 100 } });
    const says = await startServer(t, { routes: echoRoutes({ say: (request) => request }) });
    const status = async (url: string, request: typeof ADD | typeof SAY | typeof HEALTH) =>
      (await send(version, url, request)).status;
    assert.deepEqual([await status(adds.url, ADD), await status(says.url, SAY)], [200, 200]);
    assert.deepEqual([await status(adds.url, SAY), await status(says.url, ADD)], [404, 404]);

    const long = { ...ADD, body: ADD.body.padEnd(200) };
    assert.equal(await status(adds.url, long), 429);
    assert.deepEqual([adds.limits.length, says.limits.length], [1, 0]);

    adds.server.health.set("", "not-serving");
    assert.deepEqual([await status(adds.url, HEALTH), await status(says.url, HEALTH)], [503, 200]);
  });
}

test("a server is drained while another serves on", async (t) => {
  const [one, other] = [await startServer(t), await startServer(t)];
  const kept = await connectTo(other.authority);
  t.after(() => kept.destroy());
  assert.equal(await one.server.close(), 0);
  await assert.rejects(once(net.connect(one.port, "127.0.0.1"), "connect"), { code: "ECONNREFUSED" });
  for (const version of HTTP_VERSIONS) assert.equal((await send(version, other.url, ADD)).status, 200);
  for (let i = 0; i < 2; i++) {
    kept.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [response] = await once(kept, "data");
    assert.match(String(response), /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(String(response), /Connection: close/i);
  }
});

test("the calls and connections of one server do not count for the limits of another", async (t) => {
  const go = Promise.withResolvers<void>();
  const routes = echoRoutes({ say: (request) => go.promise.then(() => request) });
  const limits = { callsInFlight: 1, connections: 2, connectionsPerAddress: 2 };
  const servers = [await startServer(t, { routes, limits }), await startServer(t, { routes, limits })];
  const held = servers.map(({ url }) => send("HTTP/1.1", url, SAY));
  await sleep(50);
  for (const { url, limits: reached } of servers) {
    assert.equal((await send("HTTP/2", url, SAY)).status, 503);
    assert.equal(reached.length, 1); // callsInFlight
  }
  go.resolve();
  for (const { status } of await Promise.all(held)) assert.equal(status, 200);
});

test("a server renews its certificate, and another keeps its own", async (t) => {
  const authority = await createAuthority("CN=another authority");
  const credentials = await authority.issue({ subject: "CN=another", names: LOOPBACK });
  const servers = [await startServer(t, { tls: SERVER }), await startServer(t, { tls: SERVER }), await startServer(t)];
  servers[0]?.server.renewTls(credentials);
  const trusts = (of: number, ca: string) =>
    send("HTTP/2", servers[of]?.url as string, ADD, { ca }).then(
      () => true,
      () => false,
    );
  assert.deepEqual([await trusts(0, authority.cert), await trusts(1, AUTHORITY.cert)], [true, true]);
  assert.deepEqual([await trusts(0, AUTHORITY.cert), await trusts(1, authority.cert)], [false, false]);
  assert.equal((await send("HTTP/2", servers[2]?.url as string, ADD)).status, 200);
  for (const { log } of servers.slice(0, 2)) assert.match(log.splice(0).join(), /^refuse a connection|^$/);
});

test("the routes of two servers may be the same function", async (t) => {
  const [one, other] = [await startServer(t, { routes: callRoutes }), await startServer(t, { routes: callRoutes })];
  one.server.health.shutDown();
  assert.equal((await send("HTTP/1.1", one.url, HEALTH)).status, 503);
  assert.equal((await send("HTTP/1.1", other.url, HEALTH)).status, 200);
});
