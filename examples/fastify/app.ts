/** The Fastify application around the RPCs: sessions, headers, hooks and other routes. */

import { cors as rpc } from "@connectrpc/connect";
import cookie from "@fastify/cookie";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import session from "@fastify/session";
import { type FastifyInstance, fastify } from "fastify";

declare module "fastify" {
  interface Session {
    user?: string;
  }
}

/** Returns an application that has everything but the RPCs. With `HTTP2=on`, it speaks HTTP/2 instead of HTTP/1.1. */
export async function createApp(): Promise<FastifyInstance> {
  const app = fastify(process.env.HTTP2 === "on" ? ({ http2: true } as object) : {});
  await app.register(helmet);
  await app.register(cors, {
    origin: "https://notes.example",
    credentials: true,
    methods: [...rpc.allowedMethods],
    allowedHeaders: [...rpc.allowedHeaders],
    exposedHeaders: [...rpc.exposedHeaders, "x-request-id"],
  });
  await app.register(cookie);
  await app.register(session, { secret: "a secret with at least 32 letters", cookie: { secure: false } });

  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  app.addHook("preHandler", async (request, reply) => {
    if (request.headers["x-api-key"] === "revoked") await reply.code(401).send({ message: "the key is revoked" });
  });
  const responses: Record<string, number> = {};
  app.addHook("onResponse", async ({ routeOptions: { url = "unknown" } }) => {
    responses[url] = (responses[url] ?? 0) + 1;
  });

  app.get("/stats", () => responses);
  app.post<{ Body: { user: string } }>("/login", async (request) => {
    request.session.user = request.body.user;
    return { user: request.body.user };
  });
  return app;
}

/** Listens, and closes the application when the process gets SIGTERM. */
export async function listen(app: FastifyInstance): Promise<void> {
  console.log(`listening on ${await app.listen({ port: Number(process.env.PORT ?? 8080), host: "127.0.0.1" })}`);
  process.once("SIGTERM", () => app.close());
}
