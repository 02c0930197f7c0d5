/** Serves this project's routes on Connect's own adapter: on node:http2, or with the argument "1.1" on node:http. */
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { routes } from "../../src/routes.ts";
import { listen } from "./ready.ts";

const adapter = connectNodeAdapter({ routes });
listen(process.argv[2] === "1.1" ? createHttp1Server(adapter) : createHttp2Server(adapter));
