/** Tests TLS: ALPN, refused handshakes, mutual TLS and new certificates. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { createServer, type ServerOptions } from "../../src/server/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, createAuthority, LOOPBACK, SERVER } from "../support/certificates.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { checkedText } from "../support/log.ts";
import { echoRoutes } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { connectTo, exchangeBytes, turns } from "../support/raw.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const SEED = 20_261_124;
const HOME = { method: "GET", path: "/" };
const MUTUAL = { ...SERVER, clientCa: AUTHORITY.cert };
const CLIENT = await AUTHORITY.issue({ subject: "CN=a client" });
const STRANGERS = await createAuthority("CN=strangers");
const STRANGER = await STRANGERS.issue({ subject: "CN=a stranger" });
const WAS_VALID = { from: new Date(1e12), to: new Date(1.1e12) };

const startTls = (t: TestContext, options: Partial<ServerOptions> = {}) => startServer(t, { tls: SERVER, ...options });

/**
 * Makes a handshake and a request. Rejects if the server refuses: in TLS 1.3, this may be after the client's handshake.
 */
async function shakeHands({ port }: RunningServer, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: "127.0.0.1", ca: AUTHORITY.cert, ALPNProtocols: ["http/1.1"], ...options });
  await once(socket, "secureConnect");
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [answer] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [undefined])]);
  if (answer === undefined) throw new Error("the server closed the connection");
  return socket;
}

for (const version of HTTP_VERSIONS) {
  test(`a client that asks for ${version} by ALPN gets it`, async (t) => {
    const server = await startTls(t);
    assert.equal((await send(version, server.url, HOME)).status, 200);
  });
}

test("HTTP/2 is chosen from the protocols that a client offers", async (t) => {
  const { port } = await startTls(t);
  const socket = tls.connect({ port, ca: AUTHORITY.cert, ALPNProtocols: ["http/1.1", "h2"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "h2");
  socket.destroy();
});

test("a client without ALPN gets HTTP/1.1, even if it sends the HTTP/2 preface", async (t) => {
  const server = await startTls(t);
  const socket = await shakeHands(server, { ALPNProtocols: [] });
  assert.equal(socket.alpnProtocol, false);
  socket.destroy();
  const prior = tls.connect({ port: server.port, ca: AUTHORITY.cert });
  prior.end("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  assert.match(Buffer.concat(await prior.toArray()).toString(), /^HTTP\/1\.1 400 /);
});

test("a client that offers only other protocols is refused by an alert", async (t) => {
  const server = await startTls(t);
  await assert.rejects(shakeHands(server, { ALPNProtocols: ["spdy/3", "h2c"] }), /alert no application protocol/);
  assert.deepEqual(server.log.splice(0), [
    "refuse a connection from 127.0.0.1: it asks for neither HTTP/2 nor HTTP/1.1 (ALPN)",
  ]);
});

for (const version of ["TLSv1", "TLSv1.1"] as const) {
  test(`${version} is refused`, async (t) => {
    const server = await startTls(t);
    const old = { minVersion: version, maxVersion: version, ciphers: "ALL:@SECLEVEL=0" };
    await assert.rejects(shakeHands(server, old), /alert protocol version/);
    assert.deepEqual(server.log.splice(0), [
      "refuse a connection from 127.0.0.1: it does not support TLS 1.2 or later",
    ]);
  });
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`${version} is supported`, async (t) => {
    const socket = await shakeHands(await startTls(t), { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    socket.destroy();
  });
}

test("cipher suites that RFC 9113 prohibits for HTTP/2 are not supported", async (t) => {
  const server = await startTls(t);
  // Ephemeral AEAD suites are the only ones of TLS 1.2 that are allowed (9.2.2, appendix A).
  const isAllowed = (name: string): boolean => /^(ecdhe|dhe)-.*(gcm|ccm|chacha20)/.test(name);
  const names = tls.getCiphers().filter((name) => !name.startsWith("tls_"));
  const only = (ciphers: string[]): tls.ConnectionOptions => ({
    maxVersion: "TLSv1.2",
    ciphers: `${ciphers.join(":").toUpperCase()}:@SECLEVEL=0`,
  });
  const [allowed, prohibited] = [names.filter(isAllowed), names.filter((name) => !isAllowed(name))];
  assert.ok(prohibited.length > 20);
  await assert.rejects(shakeHands(server, only(prohibited)), /alert handshake failure/);
  assert.deepEqual(server.log.splice(0), [
    "refuse a connection from 127.0.0.1: it does not support any of the cipher suites",
  ]);
  (await shakeHands(server, only(allowed))).destroy();
});

test("a client of TLS 1.2 cannot renegotiate", async (t) => {
  const socket = await shakeHands(await startTls(t), { maxVersion: "TLSv1.2" });
  socket.on("error", () => {}); // more than one error may come
  socket.renegotiate({}, () => {});
  const [error] = await new Promise<Error[]>((resolve) => socket.on("error", (...args) => resolve(args)));
  assert.match(String(error), /no renegotiation/);
});

test("an HTTP/1.1 request of a client that then half-closes is served", async (t) => {
  const { port } = await startTls(t);
  const socket = tls.connect({ port, ca: AUTHORITY.cert });
  socket.end("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 200 OK\r\n.*These services answer/s);
});

for (const version of HTTP_VERSIONS) {
  test(`the scheme is https to an interceptor, over ${version}`, async (t) => {
    const urls: string[] = [];
    const { url } = await startTls(t, {
      interceptors: [
        (next) => (request) => {
          urls.push(request.url);
          return next(request);
        },
      ],
    });
    await send(version, url, {
      path: "/calls.v1.CallService/Add",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    assert.deepEqual(urls, [`${url}/calls.v1.CallService/Add`]);
  });
}

// Peers without TLS on a port with TLS, and the reverse.

for (const text of ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "x", "\0"]) {
  test(`${JSON.stringify(text.slice(0, 5))} in plain text to a TLS port gets a hint to use https, and is closed`, async (t) => {
    const { authority, log } = await startTls(t);
    const answer = await exchangeBytes(authority, text);
    assert.match(answer, /^HTTP\/1\.0 400 Bad Request\r\n.*\r\n\r\nthis port speaks TLS: use https\n$/s);
    assert.deepEqual(log.splice(0), [
      "refuse a connection from 127.0.0.1: it speaks plain text, and this port speaks TLS",
    ]);
  });
}

test("TLS to a plain port is refused with a line in the log", async (t) => {
  const server = await startServer(t);
  await assert.rejects(shakeHands(server), /wrong version number/);
  assert.deepEqual(server.log.splice(0), ["refuse a connection from 127.0.0.1: it speaks TLS, and this port is plain"]);
});

test("a refused peer that goes on sending and does not close is cut", async (t) => {
  const { authority, log } = await startTls(t);
  const socket = await connectTo(authority);
  socket.allowHalfOpen = true;
  socket.on("error", () => {});
  const sending = setInterval(() => socket.write("x"), 10);
  await new Promise((resolve) => socket.resume().on("close", resolve));
  clearInterval(sending);
  assert.equal(log.splice(0).length, 1);
});

test("a hundred refused connections are one line in the log for each kind and second", async (t) => {
  const { authority, log } = await startTls(t);
  const started = performance.now();
  await Promise.all(Array.from({ length: 100 }, () => exchangeBytes(authority, "x")));
  const seconds = Math.floor((performance.now() - started) / 1000) + 1;
  assert.ok(log.length >= 1 && log.length <= seconds, String(log.length));
  log.splice(0);
});

const FIRST_BYTES_LATE = "limit firstBytesMs: a connection's first bytes took over 500 ms";
const HANDSHAKE_LATE = "limit handshakeMs: a TLS handshake took over 500 ms";

for (const [name, bytes, line] of [
  ["silent", "", FIRST_BYTES_LATE],
  ["stopped in its handshake", "16030100", HANDSHAKE_LATE],
  ["stopped in its hello", "16030100ca010000c60303", HANDSHAKE_LATE],
] as const) {
  const limits = { firstBytesMs: 500, handshakeMs: 500 };
  const begin = async (t: TestContext, options: Partial<ServerOptions>) => {
    const server = await startTls(t, options);
    const socket = await connectTo(server.authority);
    socket.on("error", () => {});
    socket.write(Buffer.from(bytes, "hex"));
    return { ...server, closed: once(socket.resume(), "close"), socket };
  };

  test(`a connection that is ${name} is cut, while one that is served is not`, async (t) => {
    const server = await begin(t, { limits });
    const good = await shakeHands(server);
    await server.closed;
    assert.equal(good.readyState, "open");
    good.destroy();
    assert.deepEqual(server.limits, [line]);
  });

  test(`a connection that is ${name} stays open without the limit`, async (t) => {
    const unbound = { firstBytesMs: Number.POSITIVE_INFINITY, handshakeMs: Number.POSITIVE_INFINITY };
    const { closed, socket } = await begin(t, { limits: unbound });
    const waited = new Promise((resolve) => setTimeout(resolve, 500, "waited"));
    assert.equal(await Promise.race([closed, waited]), "waited");
    socket.destroy();
  });

  test(`a connection that is ${name} is closed with the server`, async (t) => {
    const { closed, server } = await begin(t, {});
    await turns(10);
    await server.close({ graceMs: 60_000, idleMs: 0 });
    await closed;
  });
}

test("a handshake that is reset at any point leaves no connection and no line in the log", async (t) => {
  const { server, authority, url, log } = await startTls(t);
  const hello = await clientHello();
  for (const length of [0, 1, 5, 6, 100, hello.length]) {
    for (const end of ["resetAndDestroy", "end"] as const) {
      const socket = await connectTo(authority);
      socket.on("error", () => {});
      if (length > 0) socket.write(hello.subarray(0, length));
      await turns();
      socket[end]();
      if (!socket.closed) await once(socket.resume(), "close");
    }
  }
  assert.equal((await send("HTTP/2", url, HOME)).status, 200);
  await server.close({ graceMs: 60_000, idleMs: 0 }); // hangs if one is left
  assert.deepEqual(log, []);
});

test("handshakes with wrong bytes do not harm the server", async (t) => {
  const { authority, url, log } = await startTls(t);
  const hello = await clientHello();
  const random = new Random(SEED);
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(hello.subarray(0, random.chance(2) ? hello.length : random.below(hello.length) + 1));
    for (let n = random.below(5); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    const socket = await connectTo(authority);
    socket.on("error", () => {});
    socket.end(bytes);
    await once(socket.resume(), "close");
  }
  for (const version of HTTP_VERSIONS) assert.equal((await send(version, url, HOME)).status, 200);
  for (const line of log.splice(0)) assert.match(line, /^refuse a connection( from 127\.0\.0\.1)?: /);
});

// Mutual TLS.

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`with client authorities a client without a certificate is refused, over ${version}`, async (t) => {
    const server = await startTls(t, { tls: MUTUAL });
    await assert.rejects(shakeHands(server, only), /alert (certificate required|handshake failure)/);
    assert.deepEqual(server.log.splice(0), ["refuse a connection from 127.0.0.1: it has no client certificate"]);
  });

  test(`with client authorities a client with a certificate of theirs is served, over ${version}`, async (t) => {
    (await shakeHands(await startTls(t, { tls: MUTUAL }), { ...only, ...CLIENT })).destroy();
  });

  for (const [whose, identity, code] of [
    ["a stranger's", STRANGER, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["an outdated", await AUTHORITY.issue({ subject: "CN=old", ...WAS_VALID }), "CERT_HAS_EXPIRED"],
  ] as const) {
    test(`with client authorities a client with ${whose} certificate is refused before its request is read, over ${version}`, async (t) => {
      let calls = 0;
      const server = await startTls(t, {
        tls: MUTUAL,
        interceptors: [
          (next) => (request) => {
            calls++;
            return next(request);
          },
        ],
      });
      await assert.rejects(shakeHands(server, { ...only, ...identity }));
      assert.deepEqual(server.log.splice(0), [`refuse a connection: its certificate is not trusted (${code})`]);
      assert.equal(calls, 0);
    });
  }
}

// Renewed credentials.

async function issuedTo({ port }: RunningServer, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = await shakeHands({ port } as RunningServer, { ca: [AUTHORITY.cert, STRANGERS.cert], ...options });
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test("renewed credentials apply to new connections, and open connections go on", async (t) => {
  const server = await startTls(t);
  const session = http2.connect(server.url, { ca: AUTHORITY.cert });
  const agent = new https.Agent({ keepAlive: true, ca: AUTHORITY.cert, maxSockets: 1 });
  t.after(() => agent.destroy());
  t.after(() => session.destroy());
  const overSession = async () => {
    const [{ ":status": status }] = await once(session.request({ ":path": "/" }).resume(), "response");
    return status;
  };
  const overAgent = async () => {
    const [response] = (await once(https.get(server.url, { agent }), "response")) as [IncomingMessage];
    const { localPort } = response.socket;
    await response.toArray();
    return [response.statusCode, localPort] as const;
  };
  assert.equal(await overSession(), 200);
  const [, port] = await overAgent();
  assert.equal(await issuedTo(server), "the tests' server");
  server.server.renewTls(await AUTHORITY.issue({ subject: "CN=renewed", names: LOOPBACK }));
  assert.equal(await issuedTo(server), "renewed");
  assert.equal(await overSession(), 200);
  assert.deepEqual(await overAgent(), [200, port], "the connection that was open");
});

test("calls under load survive a renewal", async (t) => {
  const { url, server } = await startTls(t);
  let renewals = 0;
  let running = true;
  async function load(version: HttpVersion): Promise<number> {
    let calls = 0;
    for (; running || calls === 0; calls++) assert.equal((await send(version, url, HOME)).status, 200);
    return calls;
  }
  const loads = Promise.all(HTTP_VERSIONS.flatMap((version) => [load(version), load(version)]));
  for (; renewals < 20; renewals++) {
    server.renewTls(await AUTHORITY.issue({ subject: `CN=${renewals}`, names: LOOPBACK }));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  running = false;
  assert.ok((await loads).every((calls) => calls > 0));
});

test("after a renewal mutual TLS, the TLS versions and the cipher suites are as before", async (t) => {
  const server = await startTls(t, { tls: MUTUAL });
  server.server.renewTls({
    ...(await AUTHORITY.issue({ subject: "CN=renewed", names: LOOPBACK })),
    clientCa: AUTHORITY.cert,
  });
  assert.equal(await issuedTo(server, CLIENT), "renewed");
  await assert.rejects(shakeHands(server), /certificate required/);
  await assert.rejects(shakeHands(server, STRANGER));
  const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
  await assert.rejects(shakeHands(server, old), /alert protocol version/);
  const cbc = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" } as const;
  await assert.rejects(shakeHands(server, { ...cbc, ...CLIENT }), /alert handshake failure/);
  assert.equal(server.log.splice(0).length, 4);
});

test("a renewal may change the client authorities, and older sessions are not resumed", async (t) => {
  const server = await startTls(t, { tls: MUTUAL });
  const first = await shakeHands(server, { ...CLIENT, maxVersion: "TLSv1.2" });
  const session = first.getSession();
  first.destroy();
  const resumed = await shakeHands(server, { ...CLIENT, maxVersion: "TLSv1.2", session });
  assert.ok(resumed.isSessionReused());
  resumed.destroy();
  server.server.renewTls({ ...SERVER, clientCa: STRANGERS.cert });
  await assert.rejects(shakeHands(server, { ...CLIENT, maxVersion: "TLSv1.2", session }));
  (await shakeHands(server, STRANGER)).destroy();
  server.log.splice(0);
});

test("invalid credentials change nothing", async (t) => {
  const server = await startTls(t, { tls: MUTUAL });
  const { cert } = await AUTHORITY.issue({ subject: "CN=other", names: LOOPBACK });
  for (const [credentials, message] of [
    [{ ...MUTUAL, cert: "none" }, /PEM/],
    [{ ...MUTUAL, cert }, /key values mismatch/],
    [SERVER, /clientCa can be neither added nor removed/],
  ] as const) {
    assert.throws(() => server.server.renewTls(credentials), message);
  }
  assert.equal(await issuedTo(server, CLIENT), "the tests' server");
  await assert.rejects(shakeHands(server), /certificate required/);
  server.log.splice(0);
});

test("credentials may be the bytes of files, at the start and when they are renewed", async (t) => {
  const bytes = { cert: Buffer.from(SERVER.cert), key: Buffer.from(SERVER.key), clientCa: Buffer.from(AUTHORITY.cert) };
  const { server, url } = await startServer(t, { tls: bytes, homePage: true });
  server.renewTls(bytes);
  const options = { ca: AUTHORITY.cert, cert: SERVER.cert, key: SERVER.key };
  const { body } = await send("HTTP/2", url, { method: "GET", path: "/", headers: {} }, options);
  assert.match(body.toString(), /grpcurl .*-cert/);
});

test("a server without TLS has no credentials to renew", async (t) => {
  const { server } = await startServer(t);
  assert.throws(() => server.renewTls(SERVER), /the server was created without TLS/);
});

for (const [host, loopback] of [
  ["0.0.0.0", false],
  ["::", false],
  ["127.0.0.1", true],
  ["127.1.2.3", true],
  ["::1", true],
] as const) {
  test(`listening on ${host} without TLS is ${loopback ? "not logged" : "one line in the log"}`, async () => {
    for (const credentials of [undefined, SERVER]) {
      const log: string[] = [];
      const server = createServer({
        routes: callRoutes,
        tls: credentials,
        log: (record) => log.push(checkedText(record)),
      });
      const { port } = await server.listen({ host, port: 0 });
      await server.close({ delayMs: 0, idleMs: 0 });
      const line = `listen on ${host} port ${port}: without TLS, so anyone on the network path can read every call`;
      assert.deepEqual(log, loopback || credentials !== undefined ? [] : [line]);
    }
  });
}

/** Returns the first bytes of a client's handshake. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = tls.connect({ port: (server.address() as net.AddressInfo).port, host: "127.0.0.1" });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [hello] = await once(socket, "data");
  client.destroy();
  server.close();
  return hello;
}

test("a client that has read everything and waits for the next response is not a slow reader", async (t) => {
  const say = async ({ value }: { value: string }) => {
    if (value === "wait") await sleep(600);
    return { value };
  };
  const { url } = await startTls(t, { routes: echoRoutes({ say }), limits: { readRateMs: 100 } });
  const session = http2.connect(url, { ca: AUTHORITY.cert });
  t.after(() => session.destroy());
  const call = async (value: string) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/fixture.Echo/Say",
      "content-type": "application/json",
    });
    stream.end(JSON.stringify(value));
    return Buffer.concat(await stream.toArray()).toString();
  };
  assert.deepEqual(await Promise.all([call("wait"), call("quick")]), ['"wait"', '"quick"']);
});
