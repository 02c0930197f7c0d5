/** Tests the client's address behind proxies: who may name it, and that it has it in every path through the server. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { createClient, createContextKey, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Peer } from "../../src/server/http/exchange.ts";
import { peerKey } from "../../src/server/rpc/context-values.ts";
import type { ServerOptions } from "../../src/server/server-options.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { proxyV1, proxyV2 } from "../support/proxy-header.ts";
import { connectTo, exchangeBytes, turns } from "../support/raw.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const NONE = Buffer.of();
const V1 = proxyV1("192.0.2.7", 4_711);
const V1_UNKNOWN = Buffer.from("PROXY UNKNOWN\r\n");
const V1_OF_PROXY = proxyV1("10.0.0.9", 4_711);
const V2 = proxyV2(0x21, 0x11, [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 187, 4, 0, 0]);
const V2_LOCAL = proxyV2(0x20, 0, []);
const V2_UNIX = proxyV2(0x21, 0x31, Array(216).fill(0));

/** A header, X-Forwarded-For, and the address and port of the client. "own" is the connection's own port. */
type Case = readonly [header: Buffer, forwarded: string | undefined, address: string, port: number | "own" | undefined];

const FORWARDED = "203.0.113.9, 192.0.2.8";

const CASES: readonly { readonly trusted: readonly string[]; readonly cases: readonly Case[] }[] = [
  {
    trusted: ["loopback"],
    cases: [
      [NONE, undefined, "127.0.0.1", "own"],
      [V1, undefined, "192.0.2.7", 4_711],
      [V2, undefined, "192.0.2.7", 4_711],
      [proxyV1("2001:db8::7", 1), undefined, "2001:db8::7", 1],
      [NONE, FORWARDED, "192.0.2.8", undefined],
      [NONE, "[2001:db8::8]:99, 127.0.0.3", "2001:db8::8", 99],
      [NONE, "192.0.2.8, unknown", "127.0.0.1", "own"],
      // A client that the PROXY protocol names is not trusted itself.
      [V1, FORWARDED, "192.0.2.7", 4_711],
      [V2, FORWARDED, "192.0.2.7", 4_711],
      [V1_OF_PROXY, FORWARDED, "10.0.0.9", 4_711],
      [V1_UNKNOWN, FORWARDED, "127.0.0.1", "own"],
      [V2_UNIX, FORWARDED, "127.0.0.1", "own"],
      [V2_LOCAL, FORWARDED, "192.0.2.8", undefined],
    ],
  },
  {
    trusted: ["127.0.0.1", "private"],
    cases: [
      [V1_OF_PROXY, FORWARDED, "192.0.2.8", undefined],
      [V1_OF_PROXY, undefined, "10.0.0.9", 4_711],
      [NONE, `${FORWARDED}, 10.0.0.9:5`, "192.0.2.8", undefined],
    ],
  },
  { trusted: ["private", "unix", "192.0.2.0/24"], cases: [[NONE, FORWARDED, "127.0.0.1", "own"]] },
  { trusted: [], cases: [[NONE, FORWARDED, "127.0.0.1", "own"]] },
];

/** Writes `start` before the first bytes, in the same packet. */
class Prefixed extends Duplex {
  #start: Buffer | undefined;
  readonly #socket: Socket;

  constructor(socket: Socket, start: Buffer) {
    super();
    this.#socket = socket;
    this.#start = start;
    socket.on("data", (chunk) => void this.push(chunk)).on("end", () => this.push(null));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#socket.write(this.#start === undefined ? chunk : Buffer.concat([this.#start, chunk]), done);
    this.#start = undefined;
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

interface Opened {
  readonly stream: Duplex;
  /** The port of the connection's client side. */
  readonly port: number | undefined;
}

/** Opens a connection as a proxy does: with the header, and then TLS. */
async function open(authority: string, header: Buffer, tls: boolean, alpn: string): Promise<Opened> {
  const socket = await connectTo(authority);
  const { localPort: port } = socket;
  const isPrefixed = tls && alpn !== "h2"; // connect-node loses a response whose end arrives with its head, as over such a stream
  if (!isPrefixed && header.length > 0) socket.write(header);
  if (!tls) return { stream: socket, port };
  const below = isPrefixed ? new Prefixed(socket, header) : socket;
  const secure = connectTls({
    socket: below as Socket,
    ca: AUTHORITY.cert,
    servername: "localhost",
    ALPNProtocols: [alpn],
  });
  return { stream: secure, port };
}

function forwardedFor(value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { "x-forwarded-for": value };
}

/** Calls over a connection of its own. Returns the peer that the handler sees, and the port of the connection. */
async function callOver(
  { url, authority }: RunningServer,
  httpVersion: "1.1" | "2",
  header: Buffer,
  forwarded?: string,
) {
  const isTls = url.startsWith("https");
  const { stream, port } = await open(authority, header, isTls, httpVersion === "2" ? "h2" : "http/1.1");
  try {
    const createConnection = () => stream as Socket;
    const transport = createConnectTransport({ baseUrl: url, httpVersion, nodeOptions: { createConnection } as never });
    const headers = forwardedFor(forwarded);
    const { value } = await createClient(Echo, transport).say({ value: "x" }, { headers });
    return { seen: JSON.parse(value) as unknown, port };
  } finally {
    stream.destroy();
  }
}

/** The key of the peer that the interceptor has seen. */
const interceptedKey = createContextKey<Peer | undefined>(undefined);

/** Starts a server whose handler and interceptor tell the peer. `observed` gets the addresses that an observer sees. */
function start(t: TestContext, options: Partial<ServerOptions>, observed: unknown[] = []): Promise<RunningServer> {
  const interceptor: Interceptor = (next) => (request) => {
    const { contextValues } = request;
    return next(
      Object.assign(request, { contextValues: contextValues.set(interceptedKey, contextValues.get(peerKey)) }),
    );
  };
  return startServer(t, {
    interceptors: [interceptor],
    observer: { end: ({ peer }) => void setImmediate(() => observed.push(peer.address)) },
    routes: echoRoutes({
      say(_, { values }) {
        const { address, port } = values.get(peerKey) ?? {};
        assert.equal(values.get(interceptedKey)?.address, address);
        return { value: JSON.stringify([address, port]) };
      },
    }),
    ...options,
  });
}

for (const [name, httpVersion, http2Server] of [
  ["HTTP/1.1", "1.1", "built-in"],
  ["HTTP/2", "2", "built-in"],
  ["node:http2", "2", "node"],
] as const) {
  for (const tls of [undefined, SERVER]) {
    for (const fastPath of [true, false]) {
      const cell = `over ${name}${tls ? " and TLS" : ""}, ${fastPath ? "with" : "without"} the fast path`;
      test(`only a trusted proxy may name the client, ${cell}`, async (t) => {
        for (const { trusted, cases } of CASES) {
          const observed: unknown[] = [];
          const server = await start(t, { tls, fastPath, http2: http2Server, trustedProxies: trusted }, observed);
          for (const [header, forwarded, address, expected] of cases) {
            const { seen, port } = await callOver(server, httpVersion, header, forwarded);
            const wanted = JSON.stringify([address, expected === "own" ? port : expected]);
            assert.equal(
              JSON.stringify(seen),
              wanted,
              `${header.toString("latin1")} ${forwarded}, trusted: ${trusted}`,
            );
          }
          await turns();
          assert.deepEqual(
            observed,
            cases.map(([, , address]) => address),
          );
        }
      });
    }
  }
}

for (const [trusted, tls] of [
  [[], undefined],
  [[], SERVER],
  [["private", "unix"], undefined],
  [["private", "unix"], SERVER],
] as const) {
  test(`without trust a PROXY header is ${tls ? "plain text on a port of TLS" : "a bad request"}, if ${trusted.length ? "others are" : "nobody is"} trusted`, async (t) => {
    const { authority, log, server } = await startServer(t, { trustedProxies: trusted, tls });
    const request = Buffer.from("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (const header of [V1, V2]) {
      const response = await exchangeBytes(authority, Buffer.concat([header, request]));
      assert.match(response, /^HTTP\/1\.[01] 400 Bad Request\r\n/);
    }
    if (tls === undefined) return;
    assert.deepEqual(server.stats().refusals, { plain_text: 2 });
    log.length = 0;
  });
}

test("a header is taken at every split, before HTTP/1.1 and before the preface of HTTP/2", async (t) => {
  const server = await start(t, { trustedProxies: ["loopback"] });
  const request = Buffer.from(
    'POST /fixture.Echo/Say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"x"',
  );
  for (const header of [V1, V2]) {
    const bytes = Buffer.concat([header, request]);
    for (let at = 1; at < header.length + 3; at++) {
      const response = await exchangeBytes(server.authority, bytes.subarray(0, at), bytes.subarray(at));
      assert.ok(response.endsWith('"[\\"192.0.2.7\\",4711]"'), response);
    }
    const response = await exchangeBytes(server.authority, ...[...bytes].map((byte) => Buffer.of(byte)));
    assert.ok(response.endsWith('"[\\"192.0.2.7\\",4711]"'), response);
    for (const start of [header, Buffer.concat([header, Buffer.from("PRI ")])]) {
      const socket = await connectTo(server.authority);
      for (const byte of start) socket.write(Buffer.of(byte));
      socket.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".slice(start.length - header.length)));
      const [settings] = await once(socket, "data");
      assert.equal(settings[3], 4, "the server's SETTINGS");
      socket.destroy();
    }
  }
});

test("X-Forwarded-For names the client on a TLS socket that the caller has accepted, and a header in it is a bad request", async (t) => {
  const { server } = await start(t, { trustedProxies: ["loopback"] });
  const listener = createTlsServer(SERVER, (socket) => server.accept(socket)).listen(0, "127.0.0.1");
  t.after(() => listener.close());
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const request =
    'POST /fixture.Echo/Say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.8\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"x"';
  for (const [header, response] of [
    [NONE, /^HTTP\/1\.1 200 OK\r\n.*192\.0\.2\.8/s],
    [V1, /^HTTP\/1\.1 400 /],
  ] as const) {
    const client = connectTls({ host: "127.0.0.1", port, ca: AUTHORITY.cert, servername: "localhost" });
    client.write(Buffer.concat([header, Buffer.from(request)]));
    assert.match(Buffer.concat(await client.toArray()).toString(), response);
  }
});

for (const tls of [undefined, SERVER]) {
  test(`a malformed header closes the connection, and is reported once${tls ? ", before TLS" : ""}`, async (t) => {
    const { authority, server, log } = await startServer(t, { trustedProxies: ["loopback"], tls });
    const tooLong = proxyV2(0x20, 0, Array(4_081).fill(0)).subarray(0, 16); // the header would have 4,097 bytes
    for (const header of ["PROXY / HTTP/1.1\r\n\r\n", proxyV2(0x21, 0x51, []), tooLong]) {
      const socket = await connectTo(authority);
      socket.on("error", () => {}).resume();
      socket.write(header);
      await once(socket, "close");
      assert.equal(socket.bytesRead, 0);
    }
    assert.deepEqual(server.stats().refusals, { proxy_protocol: 3 });
    assert.deepEqual(log.splice(0), [
      "refuse a connection from 127.0.0.1: its PROXY protocol header is malformed or too long",
    ]);
  });
}

test("the wait for a header is limited by firstBytesMs", async (t) => {
  const { authority, limits } = await startServer(t, { trustedProxies: ["loopback"], limits: { firstBytesMs: 100 } });
  for (const start of [V1.subarray(0, 20), V2.subarray(0, 20), V1]) {
    const socket = await connectTo(authority);
    socket.on("error", () => {}).resume();
    socket.write(start);
    await once(socket, "close");
  }
  assert.deepEqual(limits, ["limit firstBytesMs: a connection's first bytes took over 100 ms"]);
});

test("a connection that ends in its header, or is reset there, does not harm the server", async (t) => {
  const server = await start(t, { trustedProxies: ["loopback"] });
  for (const header of [NONE, V1.subarray(0, 9), V1, V2.subarray(0, 14), V2]) {
    const socket = await connectTo(server.authority);
    socket.end(header);
    assert.equal(Buffer.concat(await socket.toArray()).length, 0);
    const other = await connectTo(server.authority);
    other.write(header);
    await turns();
    other.resetAndDestroy();
  }
  assert.deepEqual((await callOver(server, "1.1", NONE, "192.0.2.8")).seen, ["192.0.2.8", null]);
  assert.equal(server.server.stats().connections.pending, 0);
});

test("a refused connection is reported with the client's address", async (t) => {
  const { authority, log } = await startServer(t, { trustedProxies: ["loopback"], tls: SERVER });
  await exchangeBytes(authority, Buffer.concat([V1, Buffer.from("GET / HTTP/1.1\r\n\r\n")]));
  assert.match(log.splice(0).join(), /^refuse a connection from 192\.0\.2\.7: it speaks plain text/);
  const socket = await connectTo(authority);
  const secure = connectTls({
    socket: new Prefixed(socket, V2) as Duplex as Socket,
    ca: AUTHORITY.cert,
    servername: "localhost",
    ALPNProtocols: ["x"],
  });
  await once(secure, "error");
  assert.match(log.splice(0).join(), /^refuse a connection from 192\.0\.2\.7: it asks for neither HTTP\/2/);
});

test("a refused connection over IPv4 has the IPv4 address on a socket for both versions of IP", async (t) => {
  const { port, log } = await startServer(t, { tls: SERVER }, "::");
  await exchangeBytes(`127.0.0.1:${port}`, "GET / HTTP/1.1\r\n\r\n");
  assert.match(log.splice(0).at(-1) ?? "", /^refuse a connection from 127\.0\.0\.1: it speaks plain text/);
});

for (const http2Server of ["built-in", "node"] as const) {
  test(`requests of different clients on one connection have their own addresses, with ${http2Server}`, async (t) => {
    const { url } = await start(t, { trustedProxies: ["loopback"], http2: http2Server });
    for (const [httpVersion, isConcurrent] of [
      ["1.1", false],
      ["2", false],
      ["2", true],
    ] as const) {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const nodeOptions = httpVersion === "1.1" ? { agent } : {};
      const transport = createConnectTransport({ baseUrl: url, httpVersion, nodeOptions } as never);
      const client = createClient(Echo, transport);
      const say = async (i: number): Promise<void> => {
        // Each head comes several times, so that some requests share one object.
        const forwarded = i % 7 === 0 ? undefined : `192.0.2.${i % 3}`;
        const headers = forwardedFor(forwarded);
        const { value } = await client.say({ value: "x" }, { headers });
        assert.equal(JSON.parse(value)[0], forwarded ?? "127.0.0.1");
      };
      const numbers = Array.from({ length: 60 }, (_, i) => i);
      if (isConcurrent) await Promise.all(numbers.map(say));
      else for (const i of numbers) await say(i);
    }
  });
}

test("several X-Forwarded-For fields are one list", async (t) => {
  const { url, authority } = await start(t, { trustedProxies: ["loopback"] });
  const fields = {
    "content-type": "application/json",
    "x-forwarded-for": ["203.0.113.9", "192.0.2.8, 127.0.0.2", "::1"],
  };
  const session = http2.connect(url);
  t.after(() => session.destroy());
  const call = session.request({ ":method": "POST", ":path": "/fixture.Echo/Say", ...fields });
  call.end('"x"');
  assert.match(Buffer.concat(await call.toArray()).toString(), /192\.0\.2\.8/);
  const request = http.request(`http://${authority}/fixture.Echo/Say`, {
    method: "POST",
    headers: fields,
    agent: false,
  });
  request.end('"x"');
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  assert.match(Buffer.concat(await response.toArray()).toString(), /192\.0\.2\.8/);
});

test("a client cannot hide the address that a proxy appends behind many fields", async (t) => {
  const { authority } = await start(t, { trustedProxies: ["loopback"] });
  // Each Node has its own maximum number of fields by default. Some respond 431 after it, and others drop the rest.
  for (const count of [900, 1_100, 2_100]) {
    const fields = `X-Forwarded-For: 203.0.113.9\r\n${"a:\r\n".repeat(count)}X-Forwarded-For: 192.0.2.8\r\n`;
    const head = `POST /fixture.Echo/Say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 3\r\n`;
    const response = await exchangeBytes(authority, `${head}${fields}\r\n"x"`);
    assert.ok(response.endsWith('"[\\"192.0.2.8\\",null]"'), `${count}: ${response}`);
  }
});

test("connections count by the address of the client, and those of the proxy itself do not count", async (t) => {
  const { authority, limits, server } = await startServer(t, {
    trustedProxies: ["loopback", "10.0.0.0/8"],
    limits: { connectionsPerAddress: 1 },
  });
  async function stays(header: Buffer): Promise<Socket | undefined> {
    const socket = await connectTo(authority);
    t.after(() => socket.destroy());
    socket
      .on("error", () => {})
      .write(Buffer.concat([header, Buffer.from("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")]));
    await Promise.race([once(socket, "data"), once(socket.resume(), "close")]);
    return socket.closed ? undefined : socket;
  }
  for (const header of [NONE, NONE, V2_LOCAL, V1_UNKNOWN, V1_OF_PROXY, V1_OF_PROXY]) assert.ok(await stays(header));
  const first = await stays(V1);
  assert.ok(first);
  assert.equal(await stays(V2), undefined);
  assert.deepEqual(limits, ["limit connectionsPerAddress: connections from 192.0.2.7 exceed 1"]);
  assert.ok(await stays(proxyV1("192.0.2.8", 1)));
  const { connections } = server.stats();
  first.destroy();
  while (server.stats().connections["1.1"] === connections["1.1"]) await turns();
  assert.ok(await stays(V2));
});

for (const httpVersion of ["1.1", "2"] as const) {
  test(`a call that is forwarded ends with its old connection, over HTTP/${httpVersion}`, async (t) => {
    const { url, limits } = await startServer(t, {
      trustedProxies: ["loopback"],
      limits: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs: 100 },
      routes: echoRoutes({
        say: (_, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      }),
    });
    const client = createClient(Echo, createConnectTransport({ baseUrl: url, httpVersion }));
    const headers = { "x-forwarded-for": "192.0.2.8" };
    await assert.rejects(client.say({ value: "x" }, { headers }), /^ConnectError: \[unavailable\]/);
    assert.equal(limits.length, 1);
  });
}

test("the fallback sees the address of the connection, which a PROXY header names, over each HTTP version", async (t) => {
  const server = await startServer(t, {
    trustedProxies: ["loopback"],
    fallback: ({ socket, headers }, response) => {
      const { remoteAddress, remotePort, remoteFamily } = socket;
      response.end(JSON.stringify([remoteAddress, typeof remotePort, remoteFamily, headers["x-forwarded-for"]]));
    },
  });
  for (const [header, address] of [
    [V1, "192.0.2.7"],
    [NONE, "127.0.0.1"],
  ] as const) {
    const expected = JSON.stringify([address, "number", "IPv4", "192.0.2.8"]);
    const request = "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.8\r\nConnection: close\r\n\r\n";
    const response = await exchangeBytes(server.authority, Buffer.concat([header, Buffer.from(request)]));
    assert.ok(response.includes(expected), response);
    const { stream } = await open(server.authority, header, false, "h2");
    const session = http2.connect(server.url, { createConnection: () => stream });
    t.after(() => session.destroy());
    const get = session.request({ ":path": "/x", "x-forwarded-for": "192.0.2.8" });
    assert.equal(Buffer.concat(await get.toArray()).toString(), expected);
  }
});
