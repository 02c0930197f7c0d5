/** Uses the types of the package. It only has to compile, with declarations, so that each inferred type has a name. */
import * as main from "@connect-sum/server";
import { createServer, LIMITS, peerKey, retryRefused, type ServerOptions } from "@connect-sum/server";
import * as node from "@connect-sum/server/node";
import { nodeAdapter } from "@connect-sum/server/node";
import * as programs from "@connect-sum/server/run";
import { run } from "@connect-sum/server/run";
import { createContextValues } from "@connectrpc/connect";
import { routes } from "./routes.js";

export const options = {
  routes,
  contextValues: ({ headers, peer }) => createContextValues().set(peerKey, headers.has("x-none") ? undefined : peer),
  interceptors: [retryRefused],
  fallback: (_request, response) => response.end("other"),
  jsonOptions: { alwaysEmitImplicit: true },
  requestPathPrefix: "/api",
  reflection: "v1",
  health: false,
  limits: { messageBytes: 1_000 },
} satisfies ServerOptions;

export const server = createServer(options);
export const { health, services } = server;
export const bound = server.listen({ port: 0 });
export const path: Promise<string> = server.listen({ path: "/run/server.sock" });
export const closed = server.close({ delayMs: 0 });
export const reasons = Object.values(LIMITS).map(({ reason }) => reason);
export const handler = nodeAdapter({ routes });
export const everything = { ...main, ...node, ...programs };
export const program = () => run({ routes, version: "program 1" });

// @ts-expect-error: the name of the limit is connections
createServer({ routes, limits: { connection: 1 } });
// @ts-expect-error: the page belongs to the repository, not to the package
createServer({ routes, page: undefined });
// @ts-expect-error: the values of reflection
createServer({ routes, reflection: "v2" });
