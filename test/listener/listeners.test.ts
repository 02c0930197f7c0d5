/** Tests a server that listens on several addresses. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, type Server, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { ROOT } from "../support/command.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { checkedText } from "../support/log.ts";
import { connectTo } from "../support/raw.ts";
import { startServer } from "../support/server.ts";

const ANY_PORT = { port: 0, host: "127.0.0.1" };
const CALL = {
  path: "/calls.v1.CallService/Add",
  headers: { "content-type": "application/json" },
  body: '{"a":1,"b":2}',
};

async function call(version: HttpVersion, { address, port }: AddressInfo): Promise<string> {
  const host = net.isIPv6(address) ? `[${address}]` : address;
  return (await send(version, `${host}:${port}`, CALL)).body.toString();
}

/** Creates a server that is closed with the test, with the entries of its log. */
function create(t: TestContext, options: Partial<ServerOptions> = {}): { server: Server; log: string[] } {
  const log: string[] = [];
  const server = createServer({ routes: callRoutes, log: (record) => log.push(checkedText(record)), ...options });
  t.after(() => server.close({ delayMs: 0, idleMs: 0 }));
  return { server, log };
}

async function temporaryPath(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "listeners-"));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, "socket");
}

/** Opens a connection. Returns it if it is still open a little later. */
async function stays(t: TestContext, { address, port }: AddressInfo): Promise<net.Socket | undefined> {
  const socket = net.connect({ host: address, port });
  socket.on("error", () => {}).resume();
  t.after(() => socket.destroy());
  await once(socket, "connect");
  await Promise.race([once(socket, "close"), sleep(100)]);
  return socket.closed ? undefined : socket;
}

for (const http2 of ["built-in", "node"] as const) {
  test(`a port on IPv4, one on IPv6 and a Unix domain socket serve the same routes, with HTTP/2 by ${http2}`, async (t) => {
    const { server, log } = create(t, { http2 });
    const path = await temporaryPath(t);
    const [ipv4, ipv6, bound] = await Promise.all([
      server.listen(ANY_PORT),
      server.listen({ port: 0, host: "::1" }),
      server.listen({ path }),
    ]);
    assert.deepEqual([ipv4.address, ipv6.address, bound], ["127.0.0.1", "::1", path]);
    for (const version of HTTP_VERSIONS) {
      assert.equal(await call(version, ipv4), '{"sum":3}');
      assert.equal(await call(version, ipv6), '{"sum":3}');
      const { body } = await send(version, "http://localhost", CALL, { createConnection: () => net.connect(path) });
      assert.equal(body.toString(), '{"sum":3}');
    }
    await server.close();
    for (const { address, port } of [ipv4, ipv6]) {
      await assert.rejects(once(net.connect(port, address), "connect"), { code: "ECONNREFUSED" });
    }
    assert.equal(existsSync(path), false);
    await assert.rejects(server.listen(ANY_PORT), /^Error: listen on port 0: the server was closed$/);
    const expected =
      http2 === "node" ? ["HTTP/2 is node:http2, which does not enforce every limit (docs/limits.md)"] : [];
    assert.deepEqual(log, expected); // one entry, not one for each listener
  });
}

test("a listen that fails leaves the other listeners, and can be repeated", async (t) => {
  const { server } = create(t);
  const taken = net.createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const [first, failed] = await Promise.allSettled([server.listen(ANY_PORT), server.listen({ port })]);
  assert.ok(first.status === "fulfilled" && failed.status === "rejected");
  assert.equal(failed.reason.code, "EADDRINUSE");
  await assert.rejects(server.listen({ port: first.value.port }), { code: "EADDRINUSE" }); // by the server itself
  assert.equal(await call("HTTP/1.1", first.value), '{"sum":3}');
  taken.close();
  await once(taken, "close");
  assert.equal(await call("HTTP/2", await server.listen({ port })), '{"sum":3}');
});

for (const [limit, limits] of [
  ["connections", { connections: 2 }],
  ["connectionsPerAddress", { connectionsPerAddress: 2 }],
  ["neither limit", {}],
] as const) {
  test(`two listeners count connections together, with ${limit}`, async (t) => {
    const entries: string[] = [];
    const { server } = create(t, { limits, log: (record) => entries.push(checkedText(record)) });
    const [one, other] = [await server.listen(ANY_PORT), await server.listen(ANY_PORT)];
    const isOff = limit === "neither limit";
    const first = await stays(t, one);
    assert.ok(first && (await stays(t, other)));
    assert.equal((await stays(t, one)) !== undefined, isOff);
    assert.equal((await stays(t, other)) !== undefined, isOff);
    const of = limit === "connections" ? "connections" : "connections from 127.0.0.1";
    assert.deepEqual(entries, isOff ? [] : [`limit ${limit}: ${of} exceed 2`]);
    first.destroy();
    await sleep(50);
    assert.ok(await stays(t, other), "a closed connection makes room on every listener");
  });
}

/** Returns the status of a request of a browser that names a host. */
async function statusFor(host: string, port: number): Promise<number> {
  return (await send("HTTP/1.1", `127.0.0.1:${port}`, { method: "GET", path: "/healthy", headers: { host } })).status;
}

test("browsers may only name loopback hosts as long as each listener is local and one is a port", async (t) => {
  const { server, log } = create(t);
  await server.listen({ path: await temporaryPath(t) });
  const { port } = await server.listen(ANY_PORT);
  assert.deepEqual([await statusFor("a.example", port), await statusFor("localhost", port)], [403, 404]);
  await server.listen({ port: 0, host: "::1" });
  assert.equal(await statusFor("a.example", port), 403);
  assert.deepEqual(log.splice(0).length, 1); // the refused browser, once a second
  const wide = await server.listen({ port: 0, host: "0.0.0.0" });
  assert.deepEqual([await statusFor("a.example", port), await statusFor("a.example", wide.port)], [404, 404]);
  await server.listen(ANY_PORT);
  assert.equal(await statusFor("a.example", port), 404);
  const warning = "without TLS, so anyone on the network path can read every call";
  assert.deepEqual(log, [`listen on 0.0.0.0 port ${wide.port}: ${warning}`]);
});

test("a listener beyond loopback does not replace the allowed hosts", async (t) => {
  const { server } = create(t, { allowedHosts: ["b.example"] });
  const { port } = await server.listen(ANY_PORT);
  await server.listen({ port: 0, host: "0.0.0.0" });
  assert.deepEqual([await statusFor("a.example", port), await statusFor("b.example", port)], [403, 404]);
});

test("calls in flight on all listeners finish before close resolves", async (t) => {
  const { server, port } = await startServer(t);
  const other = await server.listen(ANY_PORT);
  const half = `POST ${CALL.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"a":`;
  const sockets = await Promise.all([port, other.port].map((each) => connectTo(`127.0.0.1:${each}`)));
  for (const socket of sockets) socket.write(half);
  await sleep(50);
  const closed = server.close({ idleMs: 0, graceMs: 5_000 });
  await sleep(50);
  for (const socket of sockets) {
    socket.write('1,"b":2}');
    assert.match(Buffer.concat(await socket.toArray()).toString(), /\{"sum":3\}$/);
  }
  assert.equal(await closed, 0);
});

for (const [how, script, code] of [
  ["a server that never listens", "", 0],
  ["a listen that fails", "await server.listen({ path: '/no/such/folder/socket' }).catch(() => {});", 0],
  [
    "a listen that fails, and the close of another",
    "await server.listen({ port: 0 }); await server.listen({ fd: 99999 }).catch(() => {}); await server.close();",
    0,
  ],
  ["a listener", "await server.listen({ port: 0 }); console.log('listens');", null],
] as const) {
  test(`${how} ${code === 0 ? "leaves nothing that keeps" : "keeps"} the process alive`, async (t) => {
    const start = `import { createServer } from "./src/server/server.ts"; const server = createServer({ routes() {} }); `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", start + script], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const exit = once(child, "exit");
    if (code === 0) assert.deepEqual(await exit, [0, null]);
    else {
      await once(child.stdout, "data");
      assert.equal(await Promise.race([exit, sleep(1_000, "runs")]), "runs");
    }
  });
}

test("a listener that is being opened when the server closes does not stay open", async () => {
  const server = createServer({ routes: callRoutes });
  const listening = server.listen({ port: 0 });
  await server.close({ idleMs: 0 });
  const { port } = await listening;
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});
