/** Starts one of Node's own servers with a listener, for the tests of the adapters. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type NodeAdapterOptions, type NodeHandler, nodeAdapter } from "../../src/server/adapters/node-adapter.ts";
import { callRoutes } from "./call-service.ts";
import type { Cell } from "./cells.ts";
import { SERVER } from "./certificates.ts";
import { checkedText } from "./log.ts";
import { ObservedCalls } from "./observed-calls.ts";

/** Creates each server of Node's. `serves` tells which cells it serves. */
export const NODE_SERVERS = {
  "http.createServer": {
    create: (listener: NodeHandler) => http.createServer(listener),
    serves: ({ http, tls }: Cell) => http === "HTTP/1.1" && tls === undefined,
  },
  "https.createServer": {
    create: (listener: NodeHandler) => https.createServer(SERVER, listener),
    serves: ({ http, tls }: Cell) => http === "HTTP/1.1" && tls !== undefined,
  },
  "http2.createServer": {
    create: (listener: NodeHandler) => http2.createServer(listener),
    serves: ({ http, tls }: Cell) => http === "HTTP/2" && tls === undefined,
  },
  "http2.createSecureServer": {
    create: (listener: NodeHandler) => http2.createSecureServer({ ...SERVER, allowHTTP1: true }, listener),
    serves: ({ tls }: Cell) => tls !== undefined,
  },
} as const;

export type NodeServerName = keyof typeof NODE_SERVERS;

export const NODE_SERVER_NAMES = Object.keys(NODE_SERVERS) as NodeServerName[];

export interface RunningAdapter {
  readonly server: ReturnType<(typeof NODE_SERVERS)[NodeServerName]["create"]>;
  /** The address as "host:port". */
  readonly authority: string;
  readonly url: string;
  /** The text of each record that the adapter logged so far. The test fails if it ends with one that it did not remove. */
  readonly log: string[];
  /** The texts on limits that were reached. */
  readonly limits: string[];
}

/** Starts a server with `nodeAdapter`, until the end of the test. By default, the adapter serves `callRoutes`. */
export async function startAdapter(
  t: TestContext,
  name: NodeServerName,
  options: Partial<NodeAdapterOptions> = {},
): Promise<RunningAdapter> {
  const log: string[] = [];
  const limits: string[] = [];
  const observed = process.env.OBSERVER === "on" ? new ObservedCalls() : undefined;
  const adapter = nodeAdapter({
    routes: callRoutes,
    fastPath: process.env.FAST_PATH !== "off",
    log: (record) => (record.event === "limit" ? limits : log).push(checkedText(record)),
    ...(observed !== undefined && { observer: observed.observer }),
    ...options,
  });
  const running = await startNodeServer(t, name, adapter);
  t.after(() => {
    assert.deepEqual(log, [], "the adapter logged what the test did not expect");
    observed?.check();
  });
  return { ...running, log, limits };
}

/** Starts a server with a listener on a free port of loopback, until the end of the test. */
export async function startNodeServer(
  t: TestContext,
  name: NodeServerName,
  listener: NodeHandler,
): Promise<Pick<RunningAdapter, "server" | "authority" | "url">> {
  const server = NODE_SERVERS[name].create(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  t.after(() => {
    server.close();
    for (const session of sessions) session.destroy(); // `close` of node:http2 waits for clients before Node 24
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    server,
    authority,
    url: `${name.includes("ttps") || name.includes("Secure") ? "https" : "http"}://${authority}`,
  };
}
