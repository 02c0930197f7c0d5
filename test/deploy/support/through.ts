/** Checks what clients get through a proxy: calls of each kind, large messages, metadata, the page, and their own address. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { ConnectError, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/health/v1/health_pb.ts";
import { CallService } from "../../gen/calls/v1/calls_pb.ts";
import { StreamService } from "../../gen/streams/v1/streams_pb.ts";
import { DELAY_HEADER } from "../../restart/slow-routes.ts";
import { CELLS } from "../../support/cells.ts";
import { AUTHORITY } from "../../support/certificates.ts";
import { HTTP_VERSIONS, type HttpRequest, type HttpResponse, type HttpVersion, send } from "../../support/http.ts";
import { runCases } from "../../support/run-cases.ts";
import { type NamedTransport, TRANSPORTS } from "../../support/transports.ts";
import { countFillers, FILL_HEADER, FILLERS_HEADER, fillers, METADATA_HEADER, PEER_HEADER } from "./headers.ts";

/** The cases of the matrix that differ most in what a proxy sees. */
const CASES = [
  "two numbers",
  "a sum over int32",
  "gzip",
  "an unknown encoding",
  "a content type of none of the protocols",
];
/** gRPC does not define HTTP/1.1. */
const PROXIED = CELLS.filter(({ protocol, http }) => protocol !== "gRPC" || http === "HTTP/2");
export const OVER_TLS = TRANSPORTS.filter(({ tls }) => tls !== undefined);
/** Bytes of a message that a replica accepts, with the bytes around it. */
export const LARGE_BYTES = 4 * 1024 * 1024 - 64;
/** An address on loopback besides that of the proxy. */
export const CLIENT_ADDRESS = "127.0.0.2";
const FORGED_ADDRESS = "203.0.113.9";
/** A time without data, longer than the timeouts of a proxy whose guarded settings are off. */
const SILENCE_MS = 3_000;
/** Options of the tests' client, whose own limits on responses are lower. */
const WITHOUT_LIMITS = { ca: AUTHORITY.cert, maxHeaderSize: 65_536, maxHeaderListPairs: 1000 };
const ADD: HttpRequest = {
  path: "/calls.v1.CallService/Add",
  headers: { host: "localhost", "content-type": "application/json" },
  body: '{"a":1,"b":2}',
};

/** Checks a unary call in every protocol, codec and HTTP version. */
export async function checkMatrix(t: TestContext, url: string): Promise<void> {
  for (const cell of PROXIED) {
    await runCases(t, cell, url, (each) => (CASES.includes(each.name) ? each.expect(cell) : null));
  }
}

/** Checks every kind of stream, and that a message arrives although its stream goes on. */
export async function checkStreams({ create, http, name }: NamedTransport, url: string): Promise<void> {
  const transport = create(url);
  const { download, upload, chat } = createClient(StreamService, transport);
  let downloaded = 0;
  for await (const { data } of download({ count: 100, bytes: 10_000 })) downloaded += data.length;
  assert.equal(downloaded, 1_000_000);

  async function* messages() {
    for (let i = 0; i < 100; i++) yield { data: new Uint8Array(10_000) };
  }
  const { count, bytes } = await upload(messages());
  assert.deepEqual([count, bytes], [100, 1_000_000n]);

  let received = 0;
  let tellReceived = Promise.withResolvers<void>();
  async function* turns() {
    for (let i = 0; i < 5; i++) {
      yield { data: Uint8Array.of(i) };
      if (http === "1.1") continue; // connect-node sends the whole request first
      await tellReceived.promise;
      tellReceived = Promise.withResolvers();
    }
  }
  for await (const { data } of chat(turns())) {
    assert.equal(data[0], received++);
    tellReceived.resolve();
  }
  assert.equal(received, 5, name);

  const { watch } = createClient(Health, transport);
  for await (const { status } of watch({})) {
    assert.equal(status, Status.SERVING);
    break; // the server would never end the stream
  }
}

/** Opens a stream that has a message before and one after `between`. Returns the number of messages received. */
export async function chatAcross(
  { create }: NamedTransport,
  url: string,
  between: () => Promise<void>,
): Promise<number> {
  const { chat } = createClient(StreamService, create(url));
  const opened = Promise.withResolvers<void>();
  async function* messages() {
    yield { data: Uint8Array.of(0) };
    await opened.promise;
    await between();
    yield { data: Uint8Array.of(1) };
  }
  let received = 0;
  for await (const _ of chat(messages())) {
    received++;
    opened.resolve();
  }
  return received;
}

/** Makes calls in which nothing is sent for 3 s. Returns for each what it got, or its error. */
export async function callsWithSilence(url: string): Promise<Record<string, string>> {
  const [grpc, web] = OVER_TLS as [NamedTransport, NamedTransport]; // over HTTP/2, and HTTP/1.1
  const delayed = { [DELAY_HEADER]: String(SILENCE_MS) };
  const add = async (request: HttpRequest): Promise<string> => {
    const { status, body } = await send("HTTP/2", url, { ...request, headers: { ...ADD.headers, ...delayed } });
    return `${status} ${body}`;
  };
  async function* pausing() {
    yield { data: Uint8Array.of(0) };
    await sleep(SILENCE_MS);
    yield { data: Uint8Array.of(1) };
  }
  async function* large() {
    for (let i = 0; i < 100; i++) yield { data: new Uint8Array(30_000) };
  }
  const upload = createClient(StreamService, grpc.create(url)).upload(pausing());
  const unread = createClient(StreamService, web.create(url)).upload(large(), { headers: delayed });
  const calls = {
    "a slow call": add(ADD),
    "a slow call by GET": add({ method: "GET", path: `${ADD.path}?encoding=json&message=%7B%22a%22:1,%22b%22:2%7D` }),
    "a slow upload": upload.then(({ count }) => `${count} messages`),
    "an upload that is read late": unread.then(({ count }) => `${count} messages`),
    "a silent stream": chatAcross(grpc, url, () => sleep(SILENCE_MS)).then((count) => `${count} messages`),
  };
  const ended = Object.entries(calls).map(async ([name, call]) => [name, await call.catch(String)]);
  return Object.fromEntries(await Promise.all(ended));
}

/** Makes a call with a message of `bytes` both ways. Returns its size, or the error. */
export async function echoBytes(
  { create }: NamedTransport,
  url: string,
  bytes = LARGE_BYTES,
): Promise<number | string> {
  const { echo } = createClient(StreamService, create(url));
  return echo({ data: new Uint8Array(bytes) }).then(
    ({ data }) => data.length,
    (error) => ConnectError.from(error).message,
  );
}
/** Returns what the replica got of metadata whose name has an underscore and a dot. */
export async function echoMetadata({ create }: NamedTransport, url: string): Promise<string | null> {
  const { add } = createClient(CallService, create(url));
  let got: string | null = null;
  const onHeader = (headers: Headers): void => {
    got = headers.get(METADATA_HEADER);
  };
  await add({ a: 1, b: 2 }, { headers: { [METADATA_HEADER]: "value" }, onHeader });
  return got;
}

/**
 * Makes a call whose request, or response, has `count` more fields with values of this many bytes. Returns how many arrived, or
 * the status or error.
 */
export async function fillHeaders(
  version: HttpVersion,
  url: string,
  side: "request" | "response",
  [count, bytes]: readonly [count: number, bytes: number],
): Promise<number | string> {
  const filled = side === "request" ? fillers(count, bytes) : {};
  const headers = { ...ADD.headers, [FILL_HEADER]: side === "request" ? "0 0" : `${count} ${bytes}`, ...filled };
  try {
    const response = await send(version, url, { ...ADD, headers }, WITHOUT_LIMITS);
    if (response.status !== 200) return `status ${response.status}`;
    return side === "request" ? Number(response.headers[FILLERS_HEADER]) : countFillers(Object.keys(response.headers));
  } catch (error) {
    return String(error);
  }
}

/** Checks the page, one of its files, and a file that the browser already has, over both HTTP versions. */
export async function checkPage(url: string): Promise<void> {
  for (const version of HTTP_VERSIONS) {
    const get = (path: string, headers = {}, method = "GET"): Promise<HttpResponse> =>
      send(version, url, { method, path, headers: { host: "localhost", accept: "text/html", ...headers } });
    const page = await get("/");
    assert.equal(page.status, 200);
    const [, script = ""] = /<script[^>]* src="([^"]+)"/.exec(page.body.toString()) ?? [];
    const file = await get(new URL(script, `${url}/`).pathname);
    assert.equal(file.status, 200);
    assert.match(file.body.toString(), /\n$/, "the end of the script");
    const { etag } = page.headers;
    assert.equal((await get("/", { "if-none-match": etag })).status, 304);
    assert.deepEqual(await statusAndSize(get("/", {}, "HEAD")), [200, 0]);
    assert.equal((await get("/-/schema")).status, 200);
  }
}

async function statusAndSize(response: Promise<HttpResponse>): Promise<[number, number]> {
  const { status, body } = await response;
  return [status, body.length];
}

/** Connects by TLS, and offers these protocols. Returns the one that was negotiated, and the name in the certificate. */
export async function handshake(port: number, ALPNProtocols: string[]): Promise<{ protocol: unknown; name: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca: AUTHORITY.cert, ALPNProtocols });
  socket.once("secureConnect", resolve).once("error", reject);
  try {
    await promise;
    return { protocol: socket.alpnProtocol, name: socket.getPeerCertificate().subject.CN };
  } finally {
    socket.destroy();
  }
}

/** Calls from another address than the proxy's, and claims to have a third one. Returns the address that the replica saw. */
export async function seenAddress(port: number): Promise<string> {
  const headers = { ...ADD.headers, "x-forwarded-for": FORGED_ADDRESS };
  // The types of TLS lack the local address, which is an option of its socket.
  const from = { port, host: "127.0.0.1", localAddress: CLIENT_ADDRESS, servername: "localhost", ca: AUTHORITY.cert };
  const createConnection = (): TLSSocket => connect(from as ConnectionOptions);
  const response = await send("HTTP/1.1", `https://127.0.0.1:${port}`, { ...ADD, headers }, { createConnection });
  return String(response.headers[PEER_HEADER]);
}
