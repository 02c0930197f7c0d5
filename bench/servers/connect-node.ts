/** Serves the routes of the tests on Connect's own adapter: on node:http2, or with the argument "1.1" on node:http. */
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { callRoutes } from "../../test/support/call-service.ts";
import { streamRoutes } from "../../test/support/stream-service.ts";
import { listen } from "./ready.ts";

const adapter = connectNodeAdapter({
  routes(router) {
    callRoutes(router);
    streamRoutes(router);
  },
});
listen(process.argv[2] === "1.1" ? createHttp1Server(adapter) : createHttp2Server(adapter));
