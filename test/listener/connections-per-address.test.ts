/**
 * Tests the limit on connections from one address: which addresses count as one, and how more connections are refused.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { networkOf } from "../../src/server/listener/connections-per-address.ts";
import { SERVER } from "../support/certificates.ts";
import { send } from "../support/http.ts";
import { startServer } from "../support/server.ts";

for (const [address, network] of [
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1::/64"],
  ["2001:db8::", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
] as const) {
  test(`${address} counts as ${network}`, () => assert.equal(networkOf(address), network));
}

/** Opens a connection from a local address. Returns true if it is still open a little later. */
async function stays(t: TestContext, port: number, localAddress: string): Promise<Socket | undefined> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  socket.on("error", () => {}).resume();
  t.after(() => socket.destroy());
  await once(socket, "connect");
  await Promise.race([once(socket, "close"), sleep(200)]);
  return socket.closed ? undefined : socket;
}

for (const tls of [undefined, SERVER]) {
  for (const host of ["127.0.0.1", "::"]) {
    test(`a third connection from an address with two is closed, ${tls ? "over TLS" : "plain"}, on ${host}`, async (t) => {
      const { port, limits, server, log } = await startServer(t, { tls, limits: { connectionsPerAddress: 2 } }, host);
      const first = await stays(t, port, "127.0.0.1");
      assert.ok(first && (await stays(t, port, "127.0.0.1")));
      assert.equal(await stays(t, port, "127.0.0.1"), undefined);
      assert.deepEqual(limits, ["limit connectionsPerAddress: connections from 127.0.0.1 exceed 2"]);
      if (process.platform === "linux") assert.ok(await stays(t, port, "127.0.0.2"), "another address has its own");
      first.destroy();
      await sleep(50);
      assert.ok(await stays(t, port, "127.0.0.1"), "a closed connection makes room");
      log.length = 0; // the warning of a server without TLS beyond loopback
      await server.close({ delayMs: 0, idleMs: 0 });
    });
  }
}

test("by default the number of connections is not limited", async (t) => {
  const { port, url } = await startServer(t);
  for (const socket of await Promise.all(Array.from({ length: 50 }, () => stays(t, port, "127.0.0.1"))))
    assert.ok(socket);
  assert.equal((await send("HTTP/1.1", url, { method: "GET", path: "/" })).status, 200);
});
