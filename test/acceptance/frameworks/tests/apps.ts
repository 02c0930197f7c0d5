/** Starts an application of Fastify or Express with routes, on the adapter of Connect or on that of this server. */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import express from "express";
import express4 from "express4";
import { fastify } from "fastify";
import { fastify as fastify4 } from "fastify4";
import { expressMiddleware, fastifyPlugin } from "../../../../src/package/node.ts";
import type { Routes } from "../../../../src/server/rpc/options.ts";
import type { HttpVersion } from "../../../support/http.ts";

export type Side = "Connect" | "this server";

export interface App {
  readonly name: string;
  readonly http: HttpVersion;
  /** Starts the application until the end of the test. Returns "host:port". */
  start(t: TestContext, side: Side, routes: Routes, options?: object): Promise<string>;
}

export const APPS: readonly App[] = [
  fastifyApp("Fastify 5", "HTTP/1.1", () => fastify()),
  fastifyApp("Fastify 5", "HTTP/2", () => fastify({ http2: true }) as never),
  fastifyApp("Fastify 4", "HTTP/1.1", () => fastify4() as never),
  fastifyApp("Fastify 4", "HTTP/2", () => fastify4({ http2: true }) as never),
  expressApp("Express 5", express),
  expressApp("Express 4", express4 as never),
];

function fastifyApp(name: string, http: HttpVersion, create: () => ReturnType<typeof fastify>): App {
  return {
    name,
    http,
    async start(t, side, routes, options) {
      const app = create();
      await app.register(side === "Connect" ? fastifyConnectPlugin : fastifyPlugin, { routes, ...options });
      await app.listen({ host: "127.0.0.1", port: 0 });
      t.after(() => app.close());
      return `127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    },
  };
}

function expressApp(name: string, create: typeof express): App {
  return {
    name,
    http: "HTTP/1.1",
    async start(t, side, routes, options) {
      const app = create();
      app.use((side === "Connect" ? expressConnectMiddleware : expressMiddleware)({ routes, ...options }));
      return listen(t, app);
    },
  };
}

/** Serves the requests of a listener until the end of the test. Returns "host:port". */
export async function listen(t: TestContext, listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
