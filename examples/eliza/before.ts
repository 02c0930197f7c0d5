/** Serves Eliza on connect-node, which needs a port for each HTTP version. */
import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { page, routes } from "./eliza.ts";

const port = Number(process.env.PORT ?? 8080);
const handler = connectNodeAdapter({ routes, fallback: page });
const servers = [http.createServer(handler), http2.createServer(handler)];
for (const [index, server] of servers.entries())
  server.listen(port && port + index, "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

process.once("SIGTERM", () => {
  for (const server of servers) server.close();
});
