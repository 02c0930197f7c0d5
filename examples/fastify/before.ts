/** Serves the notes by the plugin of Connect. */
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createApp, listen } from "./app.ts";
import { options } from "./notes.ts";

const app = await createApp();
await app.register(fastifyConnectPlugin, options);
await listen(app);
