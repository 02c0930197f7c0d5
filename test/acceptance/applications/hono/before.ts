/** Serves the application on connect-node: a port for each HTTP version, and an adapter for Hono. */
import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { getRequestListener } from "@hono/node-server";
import { interceptors, routes } from "./people.ts";
import { site } from "./site.ts";

type Fallback = NonNullable<Parameters<typeof connectNodeAdapter>[0]["fallback"]>;
const fallback = getRequestListener(site.fetch) as Fallback; // the types of the responses differ
const handler = connectNodeAdapter({ routes, interceptors, fallback });
const servers = [http.createServer(handler), http2.createServer(handler)];
for (const server of servers)
  server.listen(0, "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
process.once("SIGTERM", () => {
  for (const server of servers) server.close();
});
