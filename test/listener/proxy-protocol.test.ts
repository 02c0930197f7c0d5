/** Tests the parser of PROXY protocol headers: the examples of its specification, every split, limits and random bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProxyHeader } from "../../src/server/listener/proxy-protocol.ts";
import { proxyV2, V2_SIGNATURE } from "../support/proxy-header.ts";
import { Random } from "../support/random.ts";

const IPV4 = [192, 0, 2, 7, 198, 51, 100, 1];
const IPV6 = [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), 7, 0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), 1];
const PORTS = [0x12, 0x67, 0x01, 0xbb];
const NOOP_TLV = [4, 0, 3, 1, 2, 3];
const UNIX = Array(216).fill(0x2f);

const client = (address: string, port = 4_711) => ({ address, port });
const MAPPED = [...Array(10).fill(0), 255, 255, 192, 0, 2, 7];

const HEADERS: Readonly<Record<string, readonly [header: string | Buffer, client: unknown]>> = {
  "version 1 over IPv4": ["PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", client("192.0.2.7")],
  "version 1 with the longest IPv4 line": [
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
    client("255.255.255.255", 65_535),
  ],
  "version 1 with the longest IPv6 line": [
    `PROXY TCP6 ${Array(2).fill(Array(8).fill("ffff").join(":")).join(" ")} 65535 65535\r\n`,
    client(Array(8).fill("ffff").join(":"), 65_535),
  ],
  "version 1 with an address in another form": ["PROXY TCP6 2001:DB8:0::7 ::1 0 1\r\n", client("2001:db8::7", 0)],
  "version 1 with an IPv4-mapped address": ["PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 1\r\n", client("192.0.2.7")],
  "version 1 with UNKNOWN alone": ["PROXY UNKNOWN\r\n", "unknown"],
  "version 1 with UNKNOWN and the longest line of the specification": [
    `PROXY UNKNOWN ${Array(2).fill(Array(8).fill("ffff").join(":")).join(" ")} 65535 65535\r\n`,
    "unknown",
  ],
  "version 1 with UNKNOWN and another text": ["PROXY UNKNOWN x\ty\r\n", "unknown"],
  "version 2 over IPv4": [proxyV2(0x21, 0x11, [...IPV4, ...PORTS]), client("192.0.2.7")],
  "version 2 over IPv6": [proxyV2(0x21, 0x21, [...IPV6, ...PORTS]), client("2001:db8::7")],
  "version 2 with an IPv4-mapped address": [proxyV2(0x21, 0x21, [...MAPPED, ...MAPPED, ...PORTS]), client("192.0.2.7")],
  "version 2 with extensions": [proxyV2(0x21, 0x11, [...IPV4, ...PORTS, ...NOOP_TLV]), client("192.0.2.7")],
  "version 2 with an unknown extension of wrong length": [
    proxyV2(0x21, 0x11, [...IPV4, ...PORTS, 0xe5, 255, 255]),
    client("192.0.2.7"),
  ],
  "version 2 of 4,096 bytes": [proxyV2(0x21, 0x11, [...IPV4, ...PORTS, ...Array(4_068).fill(0)]), client("192.0.2.7")],
  "version 2 with LOCAL": [proxyV2(0x20, 0x00, []), "proxy"],
  "version 2 with LOCAL and addresses": [proxyV2(0x20, 0x11, [...IPV4, ...PORTS]), "proxy"],
  "version 2 with LOCAL and a wrong family": [proxyV2(0x20, 0xff, [1]), "proxy"],
  "version 2 without a family": [proxyV2(0x21, 0x00, []), "unknown"],
  "version 2 of a Unix domain socket": [proxyV2(0x21, 0x31, UNIX), "unknown"],
  "version 2 over UDP": [proxyV2(0x21, 0x12, [...IPV4, ...PORTS]), "unknown"],
};

for (const [name, [header, expected]] of Object.entries(HEADERS)) {
  test(`the parser reads ${name} at every split, and leaves what follows`, () => {
    const bytes = Buffer.from(header as string, "latin1");
    const start = Buffer.concat([bytes, Buffer.from("GET / HTTP/1.1\r\n")]);
    for (let end = 0; end < bytes.length; end++)
      assert.equal(parseProxyHeader(start.subarray(0, end)), "partial", `${end} bytes`);
    for (let end = bytes.length; end <= start.length; end++)
      assert.deepEqual(parseProxyHeader(start.subarray(0, end)), { bytes: bytes.length, client: expected });
  });
}

const MALFORMED: Readonly<Record<string, string | Buffer>> = {
  "a method PROXY": "PROXY / HTTP/1.1\r\n",
  "a line without CR": "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n",
  "a line of 108 bytes": `PROXY UNKNOWN ${"x".repeat(92)}\r\n`,
  "a line without an end": `PROXY UNKNOWN ${"x".repeat(93)}`,
  "two spaces": "PROXY TCP4  192.0.2.7 198.51.100.1 4711 443\r\n",
  "a space at the end": "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 \r\n",
  "a missing port": "PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
  "a port above 65535": "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
  "a port of the server above 65535": "PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n",
  "a port with a leading zero": "PROXY TCP4 192.0.2.7 198.51.100.1 04711 443\r\n",
  "an address of the other family": "PROXY TCP4 2001:db8::7 198.51.100.1 4711 443\r\n",
  "a server of the other family": "PROXY TCP6 2001:db8::7 198.51.100.1 4711 443\r\n",
  "an address with a leading zero": "PROXY TCP4 192.0.02.7 198.51.100.1 4711 443\r\n",
  "an address with a zone": "PROXY TCP6 fe80::1%eth0 ::1 4711 443\r\n",
  "a name": "PROXY TCP4 localhost 198.51.100.1 4711 443\r\n",
  "another protocol": "PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n",
  "a word that begins with UNKNOWN": "PROXY UNKNOWNS\r\n",
  "an empty line": "PROXY \r\n",
  "version 1 in a header of version 2": proxyV2(0x11, 0x11, [...IPV4, ...PORTS]),
  "version 3": proxyV2(0x31, 0x11, [...IPV4, ...PORTS]),
  "an unknown command": proxyV2(0x22, 0x11, [...IPV4, ...PORTS]),
  "an unknown family": proxyV2(0x21, 0x41, [...IPV4, ...PORTS]),
  "an unknown transport": proxyV2(0x21, 0x13, [...IPV4, ...PORTS]),
  "too few bytes for IPv4": proxyV2(0x21, 0x11, IPV4),
  "too few bytes for IPv6": proxyV2(0x21, 0x21, IPV6),
  "too few bytes for Unix": proxyV2(0x21, 0x31, UNIX.slice(1)),
  "4,097 bytes": proxyV2(0x21, 0x11, [...IPV4, ...PORTS, ...Array(4_069).fill(0)]),
  "65,551 bytes that have not come": Buffer.concat([V2_SIGNATURE, Buffer.of(0x21, 0x11, 255, 255)]),
};

for (const [name, header] of Object.entries(MALFORMED)) {
  test(`the parser refuses ${name}`, () => {
    assert.equal(parseProxyHeader(Buffer.from(header as string, "latin1")), "malformed");
  });
}

test("other first bytes are not a header, as soon as they differ from one", () => {
  for (const start of [
    "G",
    "PR ",
    "PROXY2",
    "PROXYTCP4",
    "PROPFIND",
    "PRI * HTTP/2.0",
    "\x16\x03\x01",
    "\r\n\r\n\r",
    "\0",
  ])
    assert.equal(parseProxyHeader(Buffer.from(start, "latin1")), "none", JSON.stringify(start));
  for (const start of ["", "P", "PROXY", "\r\n", "\r\n\r\n\0"])
    assert.equal(parseProxyHeader(Buffer.from(start, "latin1")), "partial", JSON.stringify(start));
});

test("random bytes, and headers with random changes, have one result, which more bytes do not change", () => {
  const random = new Random(20);
  const valid = Object.values(HEADERS).map(([header]) => Buffer.from(header as string, "latin1"));
  const counts: Record<string, number> = {};
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.concat([
      random.chance(4) ? V2_SIGNATURE : random.pick(valid).subarray(0, 300),
      random.bytes(40),
    ]);
    for (let changes = random.below(4); changes > 0; changes--) bytes[random.below(60)] = random.below(256);
    let end = 0;
    let result: ReturnType<typeof parseProxyHeader> = "partial";
    for (; result === "partial" && end < bytes.length; end += 1 + random.below(20))
      result = parseProxyHeader(bytes.subarray(0, end));
    const kind = typeof result === "string" ? result : "header";
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (result === "partial") continue;
    assert.deepEqual(parseProxyHeader(bytes), result, bytes.toString("latin1"));
    if (typeof result !== "string") assert.ok(result.bytes <= 4_096);
  }
  for (const kind of ["header", "malformed", "none"]) assert.ok((counts[kind] ?? 0) > 100, `${kind}: ${counts[kind]}`);
});
