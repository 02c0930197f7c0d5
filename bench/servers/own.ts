/**
 * Serves the services of the tests on this project's server, with the default options of `createServer`. Each argument
 * changes one thing. Two arguments that are not options are the files of a certificate and its key, for TLS.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { LIMIT_NAMES, LIMITS, type Limits } from "../../src/server/limits/limits.ts";
import { createServer } from "../../src/server/server.ts";
import { CallService } from "../../test/gen/calls/v1/calls_pb.ts";
import { callRoutes } from "../../test/support/call-service.ts";
import { streamRoutes } from "../../test/support/stream-service.ts";
import { add } from "./add.ts";
import { announce } from "./ready.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    http2: { type: "string", default: "built-in" },
    "no-fast-path": { type: "boolean", default: false },
    async: { type: "boolean", default: false },
    interceptor: { type: "boolean", default: false },
    "no-limits": { type: "boolean", default: false },
  },
});

function asyncRoutes(router: ConnectRouter): void {
  router.service(CallService, {
    async add(request) {
      await null;
      return add(request);
    },
  });
}

const readHeader: Interceptor = (next) => (request) => {
  request.header.get("x-request-id");
  return next(request);
};

const OFF = Object.fromEntries(
  LIMIT_NAMES.map((name) => [name, LIMITS[name].unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY]),
) as unknown as Limits;

const [cert, key] = positionals.map((path) => readFileSync(path));
const server = createServer({
  routes(router) {
    (values.async ? asyncRoutes : callRoutes)(router);
    streamRoutes(router);
  },
  http2: values.http2 === "node" ? "node" : "built-in",
  fastPath: !values["no-fast-path"],
  interceptors: values.interceptor ? [readHeader] : [],
  ...(cert && key && { tls: { cert, key } }),
  ...(values["no-limits"] && { limits: OFF }),
});
announce(await server.listen({ host: "127.0.0.1", port: 0 }));
