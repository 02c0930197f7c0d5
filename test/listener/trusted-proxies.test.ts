/** Tests the list of trusted proxies, and the client that X-Forwarded-For names behind them. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { forwardedClient } from "../../src/server/listener/forwarded-peer.ts";
import { isTrustedProxy, TrustedProxies } from "../../src/server/listener/trusted-proxies.ts";

for (const [entries, trusted, others] of [
  ["192.0.2.7", "192.0.2.7 ::ffff:192.0.2.7", "192.0.2.6 ::192.0.2.7 2001:db8::1"],
  ["10.1.2.3/8", "10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0"],
  ["10.1.2.3/31", "10.1.2.2 10.1.2.3", "10.1.2.1 10.1.2.4"],
  ["0.0.0.0/0", "1.2.3.4 ::ffff:1.2.3.4", "::1 2001:db8::1"],
  ["::/0", "::1 2001:db8::1", "1.2.3.4"],
  ["::/64", "::1", "1.2.3.4 ::ffff:1.2.3.4"],
  ["2001:db8::/33", "2001:db8:: 2001:db8:7fff::1", "2001:db8:8000:: 2001:db9::"],
  ["::ffff:10.0.0.0/104,::ffff:192.0.2.7", "10.9.9.9 192.0.2.7", "11.0.0.0 192.0.2.8"],
  ["loopback", "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1", "128.0.0.1 10.0.0.1 ::2"],
  [
    "private",
    "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1 fc00::1 fdff::1 fe80::1%eth0 febf::1",
    "127.0.0.1 ::1 172.32.0.0 172.15.255.255 192.169.0.0 fec0::1 fbff::1 8.8.8.8",
  ],
  ["loopback,private,198.51.100.0/24", "127.0.0.1 10.0.0.1 198.51.100.9", "198.51.101.0"],
  ["unix", "", "127.0.0.1 ::1"],
] as const) {
  test(`the list ${entries} has ${trusted || "no address"}, and not ${others}`, () => {
    const list = entries.split(",");
    assert.ok(list.every(isTrustedProxy));
    const proxies = TrustedProxies.of(list);
    assert.ok(proxies);
    for (const remoteAddress of trusted.split(" ").filter((each) => each !== ""))
      assert.ok(proxies.includes({ remoteAddress } as Socket), remoteAddress);
    for (const remoteAddress of others.split(" "))
      assert.ok(!proxies.includes({ remoteAddress } as Socket), remoteAddress);
  });
}

test("an empty list trusts nobody", () => {
  assert.equal(TrustedProxies.of([]), undefined);
  assert.equal(TrustedProxies.of(undefined), undefined);
});

test("a connection without an address is a Unix domain socket, unless it is a TCP connection that was reset", () => {
  const proxies = TrustedProxies.of(["unix"]);
  const others = TrustedProxies.of(["loopback", "private"]);
  const unix = { destroyed: false } as Socket;
  assert.equal(proxies?.includes(unix), true);
  assert.equal(others?.includes(unix), false);
  assert.equal(proxies?.includes({ ...unix, localAddress: "127.0.0.1" } as Socket), false);
  assert.equal(proxies?.includes({ ...unix, destroyed: true } as Socket), false);
});

test("a name, a wrong prefix, a port, a zone and a word that stands for everyone are invalid entries", () => {
  const wrong = ["", "*", "all", "proxy.example", "10.0.0.1/33", "::1/129", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/8/8"];
  for (const entry of [...wrong, "10.0.0.1:80", "[::1]", "fe80::1%eth0", "10.0.0", "010.0.0.1", "::ffff:1.2.3.4/95"])
    assert.ok(!isTrustedProxy(entry), entry);
  for (const word of ["toString", "Loopback", "unix "]) assert.ok(!isTrustedProxy(word), word);
});

const trusted = TrustedProxies.of(["10.0.0.0/8", "fd00::/8"]) as TrustedProxies;
const PROXY = { address: "10.0.0.1", port: 5_000 };

for (const [field, address, port] of [
  [undefined, "10.0.0.1", 5_000],
  ["192.0.2.7", "192.0.2.7"],
  ["  192.0.2.7\t", "192.0.2.7"],
  ["203.0.113.9, 192.0.2.7", "192.0.2.7"],
  ["203.0.113.9,192.0.2.7,10.0.0.3 , 10.0.0.2", "192.0.2.7"],
  ["10.0.0.3, 10.0.0.2", "10.0.0.3"],
  ["192.0.2.7:4711", "192.0.2.7", 4_711],
  ["192.0.2.7:0", "192.0.2.7", 0],
  ["[2001:db8::7]:4711", "2001:db8::7", 4_711],
  ["[2001:db8::7]", "2001:db8::7"],
  ["2001:db8::7", "2001:db8::7"],
  ["2001:db8::7:80", "2001:db8::7:80"],
  ["2001:DB8:0:0::7", "2001:db8::7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:C000:207", "192.0.2.7"],
  ["192.0.2.7, ::ffff:10.0.0.2", "192.0.2.7"],
  ["192.0.2.7, [fd00::2]:80", "192.0.2.7"],
  // The last valid entry counts.
  ["192.0.2.7, unknown", "10.0.0.1", 5_000],
  ["192.0.2.7, unknown, 10.0.0.2", "10.0.0.2"],
  ["192.0.2.7, , 10.0.0.2", "10.0.0.2"],
  ["192.0.2.7,", "10.0.0.1", 5_000],
  [", 10.0.0.2", "10.0.0.2"],
  ["", "10.0.0.1", 5_000],
  [",", "10.0.0.1", 5_000],
  ["192.0.2.7, client.example, 10.0.0.2:1", "10.0.0.2", 1],
  ["192.0.2.7:65536", "10.0.0.1", 5_000],
  ["192.0.2.7:", "10.0.0.1", 5_000],
  ["192.0.2.07", "10.0.0.1", 5_000],
  ["[192.0.2.7", "10.0.0.1", 5_000],
  ["fe80::7%eth0", "10.0.0.1", 5_000],
  ['"[2001:db8::7]"', "10.0.0.1", 5_000],
  ["192.0.2.7\0", "10.0.0.1", 5_000],
  // At most 16 entries are read.
  [`192.0.2.7, ${Array(15).fill("10.0.0.9").join(", ")}`, "192.0.2.7"],
  [`192.0.2.7, 10.0.0.8, ${Array(15).fill("10.0.0.9").join(", ")}`, "10.0.0.8"],
] as const) {
  test(`behind 10.0.0.1, X-Forwarded-For: ${JSON.stringify(field)?.slice(0, 60)} names ${address} port ${port}`, () => {
    assert.deepEqual({ ...forwardedClient(field, PROXY, trusted) }, { address, port });
  });
}

test("at most 16 entries of a field with 200,000 are read", () => {
  let read = 0;
  const counting = { has: (address: string) => ++read > 0 && trusted.has(address) };
  const field = Array(200_000).fill("10.0.0.9").join(",");
  assert.equal(forwardedClient(field, PROXY, counting as TrustedProxies).address, "10.0.0.9");
  assert.equal(read, 16);
});
