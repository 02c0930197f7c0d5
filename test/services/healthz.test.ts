/** Tests that GET /healthz reports the status of the health service over plain HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HTTP_VERSIONS, send } from "../support/http.ts";
import { startServer } from "../support/server.ts";

for (const version of HTTP_VERSIONS) {
  const ask = (authority: string, path = "/healthz", method = "GET", headers = {}) =>
    send(version, authority, { method, path, headers });

  test(`/healthz is 200 while the server serves, and 503 while not, over ${version}`, async (t) => {
    const { server, authority } = await startServer(t);
    for (const [status, code, text] of [
      ["serving", 200, "serving\n"],
      ["not-serving", 503, "not serving\n"],
      ["serving", 200, "serving\n"],
    ] as const) {
      server.health.set("", status);
      for (const path of ["/healthz", "/healthz?", "/healthz?verbose"]) {
        const got = await ask(authority, path);
        assert.deepEqual([got.status, got.body.toString(), got.headers["cache-control"]], [code, text, "no-store"]);
        const head = await ask(authority, path, "HEAD");
        assert.deepEqual([head.status, head.body.length, head.headers["cache-control"]], [code, 0, "no-store"]);
      }
    }
  });

  test(`/healthz?service= reports that service, and 404 if it is unknown, over ${version}`, async (t) => {
    const { server, authority } = await startServer(t);
    server.health.set("calls.v1.CallService", "not-serving");
    const statusOf = async (service: string) => (await ask(authority, `/healthz?service=${service}`)).status;
    assert.deepEqual(
      await Promise.all(["", "calls.v1.CallService", "grpc.health.v1.Health", "no.Such"].map(statusOf)),
      [200, 503, 200, 404],
    );
  });

  test(`/healthz refuses methods other than GET and HEAD, and accepts any host, over ${version}`, async (t) => {
    const { authority } = await startServer(t);
    const post = await ask(authority, "/healthz", "POST");
    assert.deepEqual([post.status, post.headers.allow], [405, "GET, HEAD, OPTIONS"]);
    assert.equal((await ask(authority, "/healthz", "OPTIONS")).status, 204);
    const host = version === "HTTP/2" ? ":authority" : "host";
    assert.equal((await ask(authority, "/healthz", "GET", { [host]: "sum.default.svc" })).status, 200);
    assert.equal((await ask(authority, "/healthzz")).status, 404);
  });

  test(`/healthz is 503 on new connections during the delay of a drain, over ${version}`, async (t) => {
    const { server, authority } = await startServer(t);
    const closed = server.close({ delayMs: 500, idleMs: 0 });
    assert.equal((await ask(authority)).status, 503);
    await closed;
  });
}
