/** The figures of `Server.stats()`: connections, calls in flight, limits that were reached, refusals, the certificate. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import { createServer } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const NOTHING = {
  connections: { "1.1": 0, "2.0": 0, pending: 0 },
  callsInFlight: 0,
  limitHits: {},
  refusals: {},
  isDraining: false,
  certificateEndsAt: undefined,
};
const ADD = { path: "/calls.v1.CallService/Add", headers: { "content-type": "application/json" }, body: "{}" };

test("a new server has no figures, and each object of stats() is a new one", () => {
  const { stats, close } = createServer({ routes: callRoutes });
  assert.deepEqual(stats(), NOTHING);
  Object.assign(stats().limitHits, { connections: 1 });
  assert.deepEqual(stats(), NOTHING);
  void close({ delayMs: 0 });
  assert.deepEqual(stats(), { ...NOTHING, isDraining: true });
});

for (const version of ["built-in", "node"] as const) {
  test(`stats() counts connections by HTTP version with http2 ${version}`, async (t) => {
    const { server, port } = await startServer(t, { http2: version });
    const pending = net.connect(port, "127.0.0.1");
    const agent = new http.Agent({ keepAlive: true });
    const session = http2.connect(`http://127.0.0.1:${port}`);
    await once(pending, "connect");
    await once(session, "remoteSettings");
    const request = http.get({ port, agent });
    const [response] = await once(request, "response");
    await once(response.resume(), "end");
    assert.deepEqual(server.stats().connections, { "1.1": 1, "2.0": 1, pending: 1 });
    pending.destroy();
    agent.destroy();
    session.close();
    await until(() => Object.values(server.stats().connections).every((count) => count === 0));
  });
}

test("stats() counts the calls that wait for their handlers, and limits before the log leaves entries out", async (t) => {
  const started = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const { server, authority, limits } = await startServer(t, {
    limits: { callsInFlight: 1 },
    routes(router) {
      callRoutes(router);
      router.rpc(Echo.method.say, async (request) => {
        started.resolve();
        await done.promise;
        return request;
      });
    },
  });
  const waiting = send("HTTP/2", authority, { ...ADD, path: "/fixture.Echo/Say", body: '"x"' });
  await Promise.race([started.promise, waiting]);
  assert.equal(server.stats().callsInFlight, 1);
  for (const version of HTTP_VERSIONS) assert.equal((await send(version, authority, ADD)).status, 503);
  assert.equal((await send("HTTP/2", authority, ADD)).status, 503);
  assert.deepEqual(server.stats().limitHits, { callsInFlight: 3 });
  assert.equal(limits.length, 1);
  done.resolve();
  await waiting;
  assert.equal(server.stats().callsInFlight, 0);
});

test("stats() counts refusals by their reason, and knows the end of the certificate", async (t) => {
  const { server, port, log, authority } = await startServer(t, { tls: { ...SERVER, clientCa: AUTHORITY.cert } });
  const { validTo } = new (process.getBuiltinModule("node:crypto").X509Certificate)(SERVER.cert);
  assert.equal(server.stats().certificateEndsAt, new Date(validTo).getTime() / 1_000);
  await assert.rejects(send("HTTP/1.1", `https://${authority}`, ADD));
  assert.equal((await send("HTTP/1.1", authority, ADD)).status, 400);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  tls.connect({ port, ca: AUTHORITY.cert, ALPNProtocols: ["x"] }).on("error", () => resolve());
  await closed;
  await until(() => Object.keys(server.stats().refusals).length === 3);
  assert.deepEqual(server.stats().refusals, { client_certificate: 1, plain_text: 1, tls_handshake: 1 });
  log.length = 0;
});

for (const fastPath of [true, false]) {
  test(`a stream whose message finds no memory reaches its limit once, with the fast path ${fastPath ? "on" : "off"}`, async (t) => {
    const { server, authority } = await startServer(t, {
      fastPath,
      routes: echoRoutes({
        async join(requests) {
          for await (const _ of requests);
          return { value: "" };
        },
      }),
      limits: { bufferedBytes: 1_000 },
    });
    const body = Buffer.concat([Buffer.of(0, 0, 0, 0x07, 0xd0), Buffer.alloc(1_900)]);
    const headers = { "content-type": "application/connect+proto" };
    await send("HTTP/1.1", authority, { path: "/fixture.Echo/Join", headers, body });
    assert.deepEqual(server.stats().limitHits, { bufferedBytes: 1 });
  });
}

test("stats() counts requests with a host that is not allowed", async (t) => {
  const { server, authority, log } = await startServer(t);
  const request = { method: "GET", path: "/", headers: { host: "attacker.example" } };
  for (let i = 0; i < 3; i++) assert.equal((await send("HTTP/1.1", authority, request)).status, 403);
  assert.deepEqual(server.stats().refusals, { host: 3 });
  log.length = 0;
});

async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isTrue() && performance.now() < end) await turns(1);
  assert.ok(isTrue());
}
