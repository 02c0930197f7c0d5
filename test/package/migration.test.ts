/**
 * The migration table in the README of the package: for each row, the same calls get the same responses from the server on
 * connect-node and from the one on this package. The row of Fastify is tested with the real one by examples/fastify.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  cors,
  createClient,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { nodeAdapter } from "../../src/package/node.ts";
import { createServer, type ServerOptions } from "../../src/package/server.ts";
import { callRoutes } from "../support/call-service.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { ROOT } from "../support/command.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "../support/http.ts";
import { codeSpans } from "../support/markdown.ts";
import { Echo, echoRoutes } from "../support/protos.ts";

const ADD = "/calls.v1.CallService/Add";
const userKey = createContextKey("nobody");

/** The parts of responses that a row compares. */
type Observed = readonly unknown[];
type Side = (t: TestContext) => Promise<Observed>;

/** The rows by their first cells. */
const ROWS: Readonly<Record<string, { readonly before: Side; readonly after: Side }>> = {
  "`http2.createServer(connectNodeAdapter(o)).listen(p)`": {
    before: async (t) => add("HTTP/2", await listen(t, http2.createServer(connectNodeAdapter({ routes: callRoutes })))),
    after: async (t) => add("HTTP/2", await start(t, { routes: callRoutes })),
  },
  "`createSecureServer({ key, cert }, ...)`": {
    async before(t) {
      const server = http2.createSecureServer(SERVER, connectNodeAdapter({ routes: callRoutes }));
      return add("HTTP/2", await listen(t, server, "https"));
    },
    after: async (t) =>
      add("HTTP/2", await start(t, { routes: callRoutes, tls: { key: SERVER.key, cert: SERVER.cert } })),
  },
  "`fallback`, `requestPathPrefix`, router options": {
    async before(t) {
      const adapter = connectNodeAdapter({ ...WITH_OPTIONS });
      return below(
        await Promise.all([http.createServer(adapter), http2.createServer(adapter)].map((s) => listen(t, s))),
      );
    },
    async after(t) {
      const url = await start(t, WITH_OPTIONS);
      return below([url, url]);
    },
  },
  "`contextValues(req)`": {
    async before(t) {
      const contextValues = ({ headers }: { headers: http.IncomingHttpHeaders }) =>
        createContextValues().set(userKey, String(headers["x-user"]));
      return whoAmI(await listen(t, http2.createServer(connectNodeAdapter({ routes: users, contextValues }))));
    },
    async after(t) {
      const contextValues: ServerOptions["contextValues"] = ({ headers }) =>
        createContextValues().set(userKey, headers.get("x-user") as string);
      return whoAmI(await start(t, { routes: users, contextValues }));
    },
  },
  "`shutdownSignal` and a SIGTERM handler": {
    async before(t) {
      const shutdown = new AbortController();
      const adapter = connectNodeAdapter({ routes: waiting, shutdownSignal: shutdown.signal });
      const server = http2.createServer(adapter);
      return stopped(await listen(t, server), async () => {
        shutdown.abort(new ConnectError("the server is shutting down", Code.Unavailable));
        server.close();
      });
    },
    async after(t) {
      const server = createServer({ routes: waiting });
      const { port } = await server.listen({ port: 0 });
      t.after(() => server.close());
      return stopped(`http://127.0.0.1:${port}`, () => server.close({ graceMs: 1_000, abortMs: 1_000 }));
    },
  },
  "cors middleware": {
    async before(t) {
      const adapter = connectNodeAdapter({ routes: callRoutes });
      return fromPage(
        await listen(
          t,
          http.createServer((req, res) => withCors(req, res) || adapter(req, res)),
        ),
      );
    },
    after: async (t) => fromPage(await start(t, { routes: callRoutes, corsOrigins: [PAGE] })),
  },
  "`connectNodeAdapter`, `fastifyConnectPlugin`, `expressConnectMiddleware`": {
    before: (t) => onNode(t, connectNodeAdapter({ routes: callRoutes })),
    after: (t) => onNode(t, nodeAdapter({ routes: callRoutes }) as ReturnType<typeof connectNodeAdapter>),
  },
};

for (const [row, { before, after }] of Object.entries(ROWS)) {
  test(`the servers of the row ${row} respond alike`, async (t) => {
    const observed = await after(t);
    assert.deepEqual(observed, await before(t));
    assert.ok(observed.length > 0);
  });
}

test("the table in the README has these rows", () => {
  const readme = readFileSync(join(ROOT, "src/package/README.md"), "utf8");
  const [, table = ""] = /^\| connect-node[^\n]*\n\|[-| ]+\|\n((?:\|.*\n)+)/m.exec(readme) ?? [];
  const rows = table.trimEnd().split("\n");
  assert.deepEqual(
    rows.map((line) => line.split("|")[1]?.trim()),
    Object.keys(ROWS),
  );
  for (const line of rows) assert.ok(codeSpans(line.split("|")[2] ?? "").length > 0, line);
});

/** Starts a server of Node's, and closes it with the test. Returns its URL. */
async function listen(t: TestContext, server: Server, scheme: "http" | "https" = "http"): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(t: TestContext, options: ServerOptions): Promise<string> {
  const server = createServer(options);
  const { port } = await server.listen({ port: 0 });
  t.after(() => server.close());
  return `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
}

/** Calls Add with JSON. Returns the status, the headers of the representation and the body. */
async function add(version: HttpVersion, url: string, path = ADD, headers: Record<string, string> = {}) {
  const response = await send(version, url, {
    path,
    headers: { "content-type": "application/json", ...headers },
    body: '{"a":1,"b":2}',
  });
  return [response.status, response.headers["content-type"], response.headers["x-set"], response.body.toString()];
}

const WITH_OPTIONS = {
  routes: callRoutes,
  requestPathPrefix: "/api",
  jsonOptions: { alwaysEmitImplicit: true },
  requestGate: ({ responseHeader }: { responseHeader: Headers }) => responseHeader.set("x-set", "by the gate"),
  fallback(req: { url?: string | undefined }, res: { end(text: string): unknown }): void {
    res.end(`the application serves ${req.url}`);
  },
};

/** Calls below the prefix, and requests other paths. */
async function below(urls: readonly string[]): Promise<Observed> {
  const all = HTTP_VERSIONS.flatMap((version, i) => {
    const url = urls[i] as string;
    return [add(version, url, `/api${ADD}`), add(version, url, ADD), add(version, url, "/about")];
  });
  return Promise.all(all);
}

function users(router: ConnectRouter): void {
  echoRoutes({ say: (_, { values }) => ({ value: values.get(userKey) }) })(router);
}

async function whoAmI(url: string): Promise<Observed> {
  const client = createClient(Echo, createGrpcTransport({ baseUrl: url }));
  return [(await client.say({ value: "" }, { headers: { "x-user": "ada" } })).value];
}

function waiting(router: ConnectRouter): void {
  echoRoutes({
    async *repeat(request, { signal }) {
      yield request;
      await once(signal, "abort");
      throw signal.reason;
    },
  })(router);
}

/** Calls `stop` while a stream is open. Returns the messages and the error of the stream. */
async function stopped(url: string, stop: () => Promise<unknown>): Promise<Observed> {
  const seen: unknown[] = [];
  let closed: Promise<unknown> | undefined;
  try {
    for await (const { value } of createClient(Echo, createGrpcTransport({ baseUrl: url })).repeat({ value: "x" })) {
      seen.push(value);
      closed = stop();
    }
  } catch (error) {
    seen.push(ConnectError.from(error).code, ConnectError.from(error).rawMessage);
  }
  await closed;
  return seen;
}

const PAGE = "https://page.example";

/** The middleware of an application for a page on PAGE. Returns true if it has responded. */
function withCors(req: http.IncomingMessage, res: http.ServerResponse): boolean {
  if (req.headers.origin === PAGE) {
    res.setHeader("access-control-allow-origin", PAGE);
    res.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
  }
  res.setHeader("vary", "Origin");
  if (req.method !== "OPTIONS") return false;
  res.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
  res.setHeader("access-control-allow-headers", cors.allowedHeaders.join(", "));
  res.writeHead(204).end();
  return true;
}

/** Calls as a page on PAGE does, after a preflight. Returns what a browser then permits. */
async function fromPage(url: string): Promise<Observed> {
  const preflight = await send("HTTP/1.1", url, {
    method: "OPTIONS",
    path: ADD,
    headers: {
      origin: PAGE,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,connect-protocol-version",
    },
  });
  const allowed = String(preflight.headers["access-control-allow-headers"]).toLowerCase();
  const headers = { origin: PAGE, "content-type": "application/json" };
  const response = await send("HTTP/1.1", url, { path: ADD, headers, body: '{"a":1,"b":2}' });
  return [
    [preflight.status, preflight.headers["access-control-allow-origin"]],
    String(preflight.headers["access-control-allow-methods"]).includes("POST"),
    ["content-type", "connect-protocol-version"].map((name) => allowed.includes(name)),
    [response.headers["access-control-allow-origin"], response.body.toString()],
    String(response.headers["access-control-expose-headers"]).toLowerCase().includes("grpc-status"),
  ];
}

async function onNode(t: TestContext, handler: ReturnType<typeof connectNodeAdapter>): Promise<Observed> {
  const [one, two, secure] = await Promise.all([
    listen(t, http.createServer(handler)),
    listen(t, http2.createServer(handler)),
    listen(t, http2.createSecureServer({ ...SERVER, ca: AUTHORITY.cert, allowHTTP1: true }, handler), "https"),
  ]);
  return Promise.all([add("HTTP/1.1", one), add("HTTP/2", two), add("HTTP/1.1", secure), add("HTTP/2", secure)]);
}
