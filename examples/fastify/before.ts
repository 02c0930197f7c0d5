/** Serves the notes by the plugin of Connect. */
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createApp, listen } from "./app.ts";
import { contextValues, routes } from "./notes.ts";

const app = await createApp();
await app.register(fastifyConnectPlugin, { routes, contextValues, shutdownTimeoutMs: 500 });
await listen(app);
