/** Starts the servers of a fallback in every HTTP version, and the same listener on node:http. */
import { once } from "node:events";
import http, { createServer } from "node:http";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import https from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { TestContext } from "node:test";
import tls from "node:tls";
import type { Fallback, NodeListener } from "../../src/server/fallback/fallback.ts";
import type { ServerOptions } from "../../src/server/server-options.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import type { HttpVersion } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";

export interface Variant {
  readonly name: string;
  readonly version: HttpVersion;
  readonly options: Partial<ServerOptions>;
}

/** The ways in which a request can reach the fallback. */
export const VARIANTS: readonly Variant[] = [
  { name: "HTTP/1.1", version: "HTTP/1.1", options: {} },
  { name: "HTTP/1.1 and TLS", version: "HTTP/1.1", options: { tls: SERVER } },
  { name: "HTTP/2", version: "HTTP/2", options: { http2: "built-in" } },
  { name: "HTTP/2 and TLS", version: "HTTP/2", options: { http2: "built-in", tls: SERVER } },
  { name: "HTTP/2 by node:http2", version: "HTTP/2", options: { http2: "node" } },
];

/** Starts a server with a fallback. */
export function startFallback(
  t: TestContext,
  fallback: Fallback,
  options: Partial<ServerOptions> = {},
): Promise<RunningServer> {
  return startServer(t, { ...options, fallback });
}

/** Starts a listener on node:http. Returns its authority. */
export async function startBare(t: TestContext, listener: NodeListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface OpenRequest {
  /** The body of the request. */
  readonly body: Duplex | http.ClientRequest;
  /** Resolves with the response when its head has arrived. */
  readonly response: Promise<{ readonly status: number; readonly body: Readable }>;
  /** Cancels the request, as a client does that leaves. */
  cancel(): void;
}

/** Begins a request on a new connection. The caller writes and ends its body. */
export function open(t: TestContext, version: HttpVersion, url: string, method: string, path: string): OpenRequest {
  return version === "HTTP/2" ? open2(t, url, method, path) : open1(t, url, method, path);
}

function open1(t: TestContext, url: string, method: string, path: string): OpenRequest {
  const module = url.startsWith("https:") ? https : http;
  const body = module.request(`${url}${path}`, { method, agent: false, ca: AUTHORITY.cert });
  body.on("error", () => {});
  body.flushHeaders();
  t.after(() => body.destroy());
  const message = new Promise<http.IncomingMessage>((resolve, reject) =>
    body.on("response", resolve).on("error", reject),
  );
  const response = message.then((message) => ({
    status: message.statusCode ?? 0,
    body: message.on("error", () => {}),
  }));
  response.catch(() => {}); // a test may cancel the request
  return { body, response, cancel: () => body.destroy() };
}

function open2(t: TestContext, url: string, method: string, path: string): OpenRequest {
  const { hostname, port, protocol } = new URL(url);
  const to = { host: hostname, port: Number(port) };
  const socket =
    protocol === "https:" ? tls.connect({ ...to, ca: AUTHORITY.cert, ALPNProtocols: ["h2"] }) : connect(to);
  const session: ClientHttp2Session = http2.connect(url, { createConnection: () => socket });
  session.on("error", () => {});
  t.after(() => session.destroy());
  const body: ClientHttp2Stream = session.request({ ":method": method, ":path": path }, { endStream: false });
  body.on("error", () => {});
  const response = new Promise<{ status: number; body: Duplex }>((resolve, reject) => {
    body.on("response", (headers) => resolve({ status: Number(headers[":status"]), body })).on("error", reject);
    body.on("close", () => reject(new Error("the stream was closed")));
  });
  response.catch(() => {}); // a test may cancel the request
  return { body, response, cancel: () => socket.destroy() };
}
