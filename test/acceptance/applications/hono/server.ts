/** Serves the application on @connect-sum/server: one port, and Hono as it is. */
import { createServer } from "@connect-sum/server";
import { interceptors, routes } from "./people.ts";
import { site } from "./site.ts";

const server = createServer({ routes, interceptors, fallback: site });
const { address, port } = await server.listen({ port: 0 });
console.log(`listening on http://${address}:${port}`);
process.once("SIGTERM", () => server.close());
