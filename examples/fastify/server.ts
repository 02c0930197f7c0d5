/** Serves the notes by the plugin of @connect-sum/server. */
import { fastifyPlugin } from "@connect-sum/server/node";
import { createApp, listen } from "./app.ts";
import { options } from "./notes.ts";

const app = await createApp();
await app.register(fastifyPlugin, options);
await listen(app);
