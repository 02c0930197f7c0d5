/** Tests proxies without an address: those on a Unix domain socket or an in-memory stream, and TCP connections that were reset. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { proxyV1 } from "../support/proxy-header.ts";
import { exchangeBytes } from "../support/raw.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const REQUEST = `POST /${Echo.typeName}/Say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 3\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n"x"`;
const V1 = proxyV1("192.0.2.7", 4_711).toString();

/** Starts a server that trusts `proxies`. `seen` gets the address of each call. */
function start(t: TestContext, proxies: readonly string[], seen: unknown[]): Promise<RunningServer> {
  const routes = echoRoutes({
    say(request, { values }) {
      seen.push(values.get(peerKey)?.address);
      return request;
    },
  });
  return startServer(t, { routes, trustedProxies: proxies });
}

for (const [proxies, expected] of [
  [["unix"], ["192.0.2.8", "192.0.2.7"]],
  [["loopback", "private"], [undefined]],
] as const) {
  const what = `a connection without an address ${proxies.length === 1 ? "names the client" : "cannot name another client"}, if ${proxies} is trusted`;

  test(`${what}, on a Unix domain socket`, async (t) => {
    const seen: unknown[] = [];
    const { server } = await start(t, proxies, seen);
    const folder = await mkdtemp(join(tmpdir(), "proxies-"));
    t.after(() => rm(folder, { recursive: true }));
    const path = await server.listen({ path: join(folder, "server.sock") });
    for (const start of ["", V1]) {
      const socket = connect(path);
      socket.write(start + REQUEST);
      const response = Buffer.concat(await socket.toArray()).toString();
      assert.match(response, start === "" || expected.length === 2 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 400 /);
    }
    assert.deepEqual(seen, expected);
  });

  test(`${what}, in memory`, async (t) => {
    const seen: unknown[] = [];
    const { server } = await start(t, proxies, seen);
    for (const start of ["", V1]) {
      const [client, connection] = duplexPair();
      server.accept(connection);
      client.write(start + REQUEST);
      const response = Buffer.concat(await client.toArray()).toString();
      assert.match(response, start === "" || expected.length === 2 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 400 /);
    }
    assert.deepEqual(seen, expected);
  });
}

test("a TCP connection that was reset, and so has no address, is not a Unix domain socket", async (t) => {
  const seen: unknown[] = [];
  const { authority, port } = await start(t, ["unix"], seen);
  const program = `
    const socket = require("node:net").connect(${port}, "127.0.0.1", () =>
      socket.write(${JSON.stringify(REQUEST)}, () => socket.resetAndDestroy()));`;
  // The server, which is in this process, accepts the connection when the client has left, and still reads the request.
  const { status } = spawnSync(process.execPath, ["-e", program]);
  assert.equal(status, 0);
  assert.match(await exchangeBytes(authority, REQUEST), /^HTTP\/1\.1 200 /); // on a later connection
  if (process.platform === "linux") assert.equal(seen.length, 2); // other systems may discard the bytes of a reset connection
  assert.deepEqual(seen.sort(), ["127.0.0.1", ...Array(seen.length - 1).fill(undefined)]);
});
