/** Serves the notes by the plugin of @connect-sum/server. */
import { fastifyPlugin } from "@connect-sum/server/node";
import { createApp, listen } from "./app.ts";
import { contextValues, routes } from "./notes.ts";

const app = await createApp();
await app.register(fastifyPlugin, { routes, contextValues, shutdownTimeoutMs: 500 });
await listen(app);
