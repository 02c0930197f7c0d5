/** Tests the admin server on its own: its paths, its hosts and its limits. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { ADMIN_CONNECTIONS, type AdminOptions, startAdminServer } from "../../src/telemetry/admin-server.ts";
import { run } from "../support/command.ts";
import { type HttpRequest, type HttpResponse, send } from "../support/http.ts";
import { connectTo, exchangeBytes } from "../support/raw.ts";

for (const { name, request, status, text = /./ } of [
  { name: "GET /metrics", request: { path: "/metrics" }, status: 200, text: /^a_metric 1\n$/ },
  { name: "a query", request: { path: "/metrics?a=1" }, status: 200 },
  { name: "HEAD /metrics", request: { path: "/metrics", method: "HEAD" }, status: 200, text: /^$/ },
  { name: "/livez", request: { path: "/livez" }, status: 200 },
  { name: "/readyz", request: { path: "/readyz" }, status: 200 },
  { name: "another path", request: { path: "/" }, status: 404 },
  { name: "POST", request: { path: "/metrics", method: "POST", body: "a" }, status: 405 },
  { name: "the name localhost", request: { path: "/metrics", headers: { host: "localhost:9464" } }, status: 200 },
  { name: "an address", request: { path: "/metrics", headers: { host: "192.0.2.1:9464" } }, status: 200 },
  { name: "a name of DNS", request: { path: "/metrics", headers: { host: "rebound.example" } }, status: 403 },
  {
    name: "a name of DNS with a POST",
    request: { path: "/", method: "POST", headers: { host: "a.example" } },
    status: 403,
  },
  { name: "an invalid host", request: { path: "/metrics", headers: { host: "a b" } }, status: 403 },
] satisfies readonly { name: string; request: HttpRequest; status: number; text?: RegExp }[])
  test(`${name} gets status ${status}`, async (t) => {
    const response = await send("HTTP/1.1", await startAdmin(t), { method: "GET", ...request });
    assert.equal(response.status, status);
    assert.match(response.body.toString(), text);
    assert.equal(response.headers["access-control-allow-origin"], undefined);
    assert.equal(response.headers["x-content-type-options"], "nosniff");
  });

for (const host of ["127.0.0.1", "0.0.0.0"])
  test(`a probe in HTTP/1.0 without a host gets 200 on ${host}`, async (t) => {
    const authority = await startAdmin(t, {}, host);
    assert.match(await exchangeBytes(authority, "OPTIONS / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 405 /);
    assert.match(await exchangeBytes(authority, "GET /livez HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
    assert.match(await exchangeBytes(authority, "GET /livez HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
  });

test("beyond loopback, every host gets metrics", async (t) => {
  const authority = await startAdmin(t, {}, "0.0.0.0");
  for (const host of ["sum.default.svc", "a b"]) assert.equal((await get(authority, "/metrics", { host })).status, 200);
});

test("/readyz is 503 while the server is not ready, and /livez is 200", async (t) => {
  const authority = await startAdmin(t, { isReady: () => false });
  assert.equal((await get(authority, "/readyz")).status, 503);
  assert.equal((await get(authority, "/livez")).status, 200);
});

test("an error of the metrics is status 500, and does not end the process", async (t) => {
  const authority = await startAdmin(t, { metrics: () => Promise.reject(new Error("failed")) });
  for (let i = 0; i < 2; i++) {
    const { status, body } = await get(authority, "/metrics");
    assert.deepEqual([status, body.toString()], [500, "collect metrics: failed\n"]);
  }
});

test("scrapes at the same time share one text", async (t) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let calls = 0;
  const metrics = () => {
    calls++;
    return promise;
  };
  const authority = await startAdmin(t, { metrics });
  const scrapes = [1, 2, 3].map(() => get(authority, "/metrics"));
  while (calls === 0) await new Promise(setImmediate);
  assert.equal((await get(authority, "/livez")).status, 200); // the others are in the server by now
  resolve("shared\n");
  for (const { body } of await Promise.all(scrapes)) assert.equal(body.toString(), "shared\n");
  assert.equal(calls, 1);
});

test("clients without a request, with half of one and with half of a body lose their connections", async (t) => {
  const authority = await startAdmin(t);
  const head = "/livez HTTP/1.1\r\nhost: localhost\r\n";
  const closed = ["", `GET ${head}a: `, `POST ${head}content-length: 9\r\n\r\na`].map(async (bytes) => {
    const socket = await connectTo(authority);
    socket.resume().on("error", () => {});
    if (bytes !== "") socket.write(bytes);
    await once(socket, "close");
  });
  await Promise.all(closed);
});

test("a header of more than 8 KiB is refused", async (t) => {
  const headers = { a: "a".repeat(9_000) };
  assert.equal((await get(await startAdmin(t), "/livez", headers)).status, 431);
});

test(`more than ${ADMIN_CONNECTIONS} connections are closed`, async (t) => {
  const authority = await startAdmin(t);
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  for (let i = 0; i < ADMIN_CONNECTIONS; i++) {
    const socket = await connectTo(authority);
    socket.write("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(socket, "data");
    sockets.push(socket);
  }
  const extra = await connectTo(authority);
  extra.on("error", () => {}).write("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
  let received = 0;
  extra.on("data", ({ length }) => {
    received += length;
  });
  await once(extra, "close");
  assert.equal(received, 0);
  assert.ok(sockets.every((socket) => !socket.destroyed));
});

test("an open connection does not hold the process", async () => {
  const program = `
    import { connect } from "node:net";
    import { once } from "node:events";
    import { startAdminServer } from "./src/telemetry/admin-server.ts";
    const { address } = await startAdminServer("127.0.0.1", 0, { metrics: async () => "", isReady: () => true });
    const socket = connect(address.port, "127.0.0.1");
    socket.write("GET /livez HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n");
    await once(socket, "data");
    socket.unref();
    setTimeout(() => process.exit(3), 3_000).unref();
    setTimeout(() => console.log("ends"), 10);`;
  const { code, stdout, stderr } = await run("node", ["--input-type=module", "-e", program]);
  assert.deepEqual([code, stdout, stderr], [0, "ends\n", ""]);
});

/** Starts an admin server, and returns "host:port". */
async function startAdmin(t: TestContext, options: Partial<AdminOptions> = {}, host = "127.0.0.1"): Promise<string> {
  const all = { metrics: async () => "a_metric 1\n", isReady: () => true, ...options };
  const { address, close } = await startAdminServer(host, 0, all);
  t.after(close);
  return `127.0.0.1:${address.port}`;
}

function get(authority: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpResponse> {
  return send("HTTP/1.1", authority, { method: "GET", path, headers });
}
