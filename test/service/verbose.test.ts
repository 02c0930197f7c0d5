/** Tests the client's --verbose: it prints what a server or a proxy between received and sent. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http2, { constants, type ServerHttp2Stream } from "node:http2";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { routes } from "../../src/routes.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { startRecordingProxy } from "../support/recording-proxy.ts";
import { startServer } from "../support/server.ts";

const client = (...args: string[]) => run("node", ["src/client/client.ts", "--verbose", ...args]);
const SUM = "-------------- Get Sum --------------\nReceived sum: sum: 3\n";

/** Returns the lines with this mark, without the mark. */
function lines(stderr: string, mark: "*" | ">" | "<"): string[] {
  return stderr.split("\n").flatMap((line) => (line.startsWith(`${mark} `) ? [line.slice(2)] : []));
}

const PROTO = { sent: 4, received: 2 };
const JSON_TEXT = { sent: '{"a":1,"b":2}'.length, received: '{"sum":3}'.length };
const FRAME_HEAD = 5;
const WEB_TRAILERS = "grpc-status: 0\r\n".length;

const CALLS = [
  { name: "Connect with binary protobuf", args: [], ...PROTO },
  { name: "Connect with JSON", args: ["--json"], ...JSON_TEXT },
  { name: "Connect with binary protobuf", args: ["--get"], sent: 0, received: 2 },
  { name: "gRPC with binary protobuf", args: ["--protocol", "grpc"], sent: 9, received: 7 },
  { name: "gRPC with JSON", args: ["--protocol", "grpc", "--json"], sent: 18, received: 14 },
  {
    name: "gRPC-Web with binary protobuf",
    args: ["--protocol", "grpcweb"],
    sent: FRAME_HEAD + PROTO.sent,
    received: FRAME_HEAD + PROTO.received + FRAME_HEAD + WEB_TRAILERS,
  },
] as const;

for (const { name, args, sent, received } of CALLS) {
  test(`${args.join(" ") || "without flags"}: over HTTP/2 it prints what the server received and sent`, async (t) => {
    const { url, streams } = await startHttp2(t);
    const { code, stdout, stderr } = await client("--url", url, ...args, "1", "2");
    assert.deepEqual([code, stdout], [0, SUM]);
    const [{ request = [], stream } = {}] = streams;
    assert.deepEqual(lines(stderr, ">"), [...fields(request), `[body: ${sent} bytes]`]);
    const trailers = Object.entries(stream?.sentTrailers ?? {}).map(([field, value]) => `${field}: ${value}`);
    const webTrailers = args.some((arg) => arg === "grpcweb")
      ? ["[trailers at the end of the body]", "grpc-status: 0"]
      : [];
    assert.deepEqual(lines(stderr, "<"), [
      ...sentFields(stream),
      `[body: ${received} bytes]`,
      ...webTrailers,
      ...(trailers.length > 0 ? ["[trailers]", ...trailers] : []),
    ]);
    assert.equal(
      trailers.length > 0,
      args.some((arg) => arg === "grpc"),
    );
    assert.equal(lines(stderr, "*")[0], `${name} over HTTP/2 to ${url}`);
    assert.match(stderr, /^\* connected to 127\.0\.0\.1 port \d+$/m);
    assert.match(stderr, /^\* connected after [\d.]+ ms, response after [\d.]+ ms, end after [\d.]+ ms$/m);
  });

  if (name.startsWith("gRPC with")) continue;
  test(`${args.join(" ") || "without flags"}: over HTTP/1.1 it prints what a proxy saw, and its bytes`, async (t) => {
    const { port } = await startServer(t, { routes });
    const proxy = await startRecordingProxy(t, port);
    const { code, stdout, stderr } = await client("--url", proxy.url, "--http", "1.1", ...args, "1", "2");
    assert.deepEqual([code, stdout], [0, SUM]);
    const [exchange] = proxy.exchanges("GetSum");
    assert.ok(exchange !== undefined);
    const { request, response } = exchange;
    assert.deepEqual(lowerCase(lines(stderr, ">")), [...head(request), `[body: ${request.body.length} bytes]`]);
    assert.deepEqual(lowerCase(lines(stderr, "<")).slice(0, response.headers.size + 2), [
      ...head(response),
      `[body: ${response.body.length} bytes]`,
    ]);
    assert.deepEqual([request.body.length, response.body.length], [sent, received]);
    assert.equal(lines(stderr, "*")[0], `${name} over HTTP/1.1 to ${proxy.url}`);
  });
}

test("its count of bytes on the connection is that of a proxy", async (t) => {
  const { port } = await startServer(t, { routes });
  for (const version of ["1.1", "2"]) {
    const counts = { sent: 0, received: 0 };
    const url = await startCounter(t, port, counts);
    const { stderr } = await client("--url", url, "--http", version);
    const [, sent, received] = /^\* on the connection: (\d+) bytes sent, (\d+) received$/m.exec(stderr) ?? [];
    assert.equal(Number(received), counts.received);
    // After the call, an HTTP/2 client acknowledges SETTINGS (9 bytes) and sends GOAWAY (17 bytes).
    const later = counts.sent - Number(sent);
    assert.ok(version === "2" ? later >= 0 && later <= 26 : later === 0, `${later} bytes sent later`);
  }
});

for (const version of ["1.1", "2"]) {
  test(`over TLS and HTTP/${version} it prints the version, the cipher, the protocol and the certificate`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "verbose-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "ca.pem"), AUTHORITY.cert);
    const { url } = await startServer(t, { routes, tls: SERVER });
    const { code, stderr } = await client("--url", url, "--http", version, "--ca", join(folder, "ca.pem"));
    assert.equal(code, 0);
    assert.match(stderr, new RegExp(`^\\* TLSv1\\.3, TLS_\\w+, ALPN ${version === "2" ? "h2" : "none"}$`, "m"));
    assert.match(
      stderr,
      /^\* server certificate: CN=the tests' server; issuer CN=the tests' authority; valid until .* GMT$/m,
    );
    assert.match(stderr, /^\* inside TLS: \d+ bytes sent, \d+ received$/m);
    assert.ok(stderr.indexOf("* connected") < stderr.indexOf("> "));
  });
}

const MESSAGE = /grpc-message: add.*2147483647.*outside/;
for (const [protocol, expected] of [
  ["connect", [/^:status: 400$/m, /^\[body: 1\d\d bytes\]$/m]],
  ["grpc", [/^:status: 200$/m, /^\[body: 0 bytes\]$/m, MESSAGE, /^grpc-status: 11$/m]],
  ["grpcweb", [/^:status: 200$/m, MESSAGE, /^grpc-status: 11$/m]],
] as const) {
  test(`it prints an error of ${protocol} as it was received`, async (t) => {
    const { url } = await startServer(t, { routes });
    const { code, stdout, stderr } = await client("--url", url, "--protocol", protocol, "2147483647", "1");
    assert.deepEqual([code, stdout], [1, ""]);
    for (const each of expected) assert.match(lines(stderr, "<").join("\n"), each);
    assert.match(stderr, /^out_of_range: add/m);
  });
}

test("it prints a response of trailers only, and escapes control characters in trailers within a body", async (t) => {
  const { url } = await startHttp2(t, (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc-web+proto" });
    const text = "grpc-status: 5\r\ngrpc-message: \u001b[31mred\r\n";
    stream.end(Buffer.concat([Buffer.of(0x80, 0, 0, 0, text.length), Buffer.from(text)]));
  });
  const web = await client("--url", url, "--protocol", "grpcweb");
  assert.ok(lines(web.stderr, "<").includes("grpc-message: \\u001b[31mred"), web.stderr);
  const trailersOnly = await startHttp2(t, (stream) =>
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "5" }, { endStream: true }),
  );
  const { code, stderr } = await client("--url", trailersOnly.url, "--protocol", "grpc");
  assert.equal(code, 1);
  assert.deepEqual(
    lines(stderr, "<").filter((line) => !line.startsWith("date")),
    [":status: 200", "content-type: application/grpc", "grpc-status: 5", "[body: 0 bytes]"],
  );
});

test("it prints a refused request and its retry", async (t) => {
  let streams = 0;
  const { url } = await startHttp2(t, (stream) => {
    if (++streams === 1) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end('{"sum":3}');
  });
  const { code, stderr } = await client("--url", url, "--json");
  assert.equal(code, 0);
  assert.equal(lines(stderr, ">").filter((line) => line === ":method: POST").length, 2);
  assert.match(stderr, /^\* stream ended with REFUSED_STREAM$/m);
});

test("it prints a call without a response, and nothing if the connection failed", async (t) => {
  const { url } = await startHttp2(t, () => {});
  const late = await client("--url", url, "--timeout", "500ms");
  assert.match(late.stderr, /^deadline_exceeded: /m);
  assert.match(late.stderr, /^\* stream ended with \w+$/m);
  assert.match(late.stderr, /^\* connected after [\d.]+ ms, no response, end after [\d.]+ ms$/m);
  const none = await client("--url", "http://127.0.0.1:1");
  assert.match(none.stderr, /^\* Connect .*\ncall http:\/\/127\.0\.0\.1:1: cannot connect \(ECONNREFUSED\)/);
});

test("without --verbose stderr is empty", async (t) => {
  const { url } = await startServer(t, { routes });
  assert.deepEqual(await run("node", ["src/client/client.ts", "--url", url]), { code: 0, stdout: SUM, stderr: "" });
});

interface Seen {
  readonly request: string[];
  readonly stream: ServerHttp2Stream;
}

/** Starts a server of node:http2 that keeps the headers of each stream; by default it serves the service. */
async function startHttp2(
  t: TestContext,
  onStream?: (stream: ServerHttp2Stream) => void,
): Promise<{ url: string; streams: Seen[] }> {
  const streams: Seen[] = [];
  const server = onStream === undefined ? http2.createServer(connectNodeAdapter({ routes })) : http2.createServer();
  server.on("stream", (stream: ServerHttp2Stream, _headers, _flags, request: string[]) => {
    stream.on("error", () => {});
    streams.push({ request, stream });
    onStream?.(stream);
  });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, streams };
}

/** Starts a proxy that counts the bytes of each direction until both sides have ended. */
async function startCounter(t: TestContext, port: number, counts: { sent: number; received: number }): Promise<string> {
  const proxy = net.createServer((socket) => {
    const server = net.connect(port, "127.0.0.1");
    for (const each of [socket, server]) each.on("error", () => {});
    socket.on("data", ({ length }) => {
      counts.sent += length;
    });
    server.on("data", ({ length }) => {
      counts.received += length;
    });
    socket.pipe(server).pipe(socket);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/**
 * Returns the headers that the server sent. Node sends pseudo-headers first, even if they are not first in its object.
 */
function sentFields(stream: ServerHttp2Stream | undefined): string[] {
  const all = Object.entries(stream?.sentHeaders ?? {}).map(([field, value]) => `${field}: ${value}`);
  return [...all.filter((each) => each.startsWith(":")), ...all.filter((each) => !each.startsWith(":"))];
}

function fields(raw: readonly string[]): string[] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${raw[i + 1]}`] : []));
}

function head({ start, headers }: { start: string; headers: ReadonlyMap<string, string> }): string[] {
  return [start, ...Array.from(headers, ([name, value]) => `${name}: ${value}`)];
}

/** Returns the fields with names in lower case, as the proxy does. */
function lowerCase(texts: readonly string[]): string[] {
  return texts.map((text) => text.replace(/^[\w-]+(?=: )/, (name) => name.toLowerCase()));
}
