/** Uses of the adapters that must compile with the types of the frameworks. Nothing runs this file. */
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { createContextKey, createContextValues, type Interceptor } from "@connectrpc/connect";
import type { expressConnectMiddleware } from "@connectrpc/connect-express";
import type { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import express from "express";
import { type FastifyRequest, fastify } from "fastify";
import { fastify as fastify4 } from "fastify4";
import { expressMiddleware, fastifyPlugin, nodeAdapter } from "../../../../src/package/node.ts";
import { callRoutes as routes } from "../../../support/call-service.ts";

const key = createContextKey("");
const values = (text: string) => createContextValues().set(key, text);
const interceptors: Interceptor[] = [];

export function node(options: Parameters<typeof connectNodeAdapter>[0]) {
  http.createServer(nodeAdapter(options));
  https.createServer(
    {},
    nodeAdapter({ routes, interceptors, contextValues: (req) => values(String(req.headers.host)) }),
  );
  http2.createServer(nodeAdapter({ routes, fallback: (req, res) => res.end(req.url ?? "") }));
  http2.createSecureServer({ allowHTTP1: true }, nodeAdapter({ routes, fallback: connectNodeAdapter({ routes }) }));
  nodeAdapter({ routes, fallback: nodeAdapter({ routes }), limits: { messageBytes: 1 } });
  // @ts-expect-error -- an unknown option
  nodeAdapter({ routes, fallbak: nodeAdapter({ routes }) });
  // @ts-expect-error -- a limit of the server
  nodeAdapter({ routes, limits: { connections: 1 } });
  // @ts-expect-error -- no routes
  nodeAdapter({});
}

export function inExpress(options: Parameters<typeof expressConnectMiddleware>[0]) {
  const app = express();
  app.use(expressMiddleware(options));
  app.use("/api", expressMiddleware({ routes }));
  app.use(express.json(), expressMiddleware({ routes, contextValues: (req: express.Request) => values(req.hostname) }));
  app.use(expressMiddleware({ routes, contextValues: (req) => values(req.anything.of.the.application) }));
  express.Router().use(expressMiddleware({ routes, requestPathPrefix: "/v1", interceptors }));
  const handler: express.Handler = expressMiddleware({ routes });
  // @ts-expect-error -- not the type of a request
  app.use(expressMiddleware({ routes, contextValues: (req: express.Request) => values(req.missing) }));
  // @ts-expect-error -- not context values
  app.use(expressMiddleware({ routes, contextValues: () => "text" }));
  return handler;
}

export async function inFastify(options: Parameters<typeof fastifyConnectPlugin>[1]) {
  const app = fastify({ logger: true });
  await app.register(fastifyPlugin, options);
  await app.register(fastifyPlugin, { routes });
  await app.register(fastifyPlugin);
  await app.register(fastifyPlugin, { routes, prefix: "/api", logLevel: "warn", shutdownTimeoutMs: 1_000 });
  await app.register(fastifyPlugin, { routes, contextValues: (request: FastifyRequest) => values(request.ip) });
  await app.register(fastifyPlugin, {
    routes,
    contextValues: (request) => values(request.anything.of.the.application),
  });
  await app.register(fastifyPlugin, () => ({ routes, interceptors }));
  // @ts-expect-error -- an unknown option
  await app.register(fastifyPlugin, { route: routes });
  await fastify({ http2: true }).register(fastifyPlugin, { routes });
  await fastify({ http2: true, https: { allowHTTP1: true } }).register(fastifyPlugin, { routes });
  await fastify({ https: {} }).register(fastifyPlugin, { routes });
  await fastify4({ logger: true }).register(fastifyPlugin, { routes, prefix: "/api" });
  await fastify4({ http2: true }).register(fastifyPlugin, { routes });
}
