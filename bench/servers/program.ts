/** Serves the services of the tests as a program, with the flags of `npm start`. The benchmark passes those of telemetry. */
import { run } from "../../src/program/run.ts";
import { callRoutes } from "../../test/support/call-service.ts";
import { streamRoutes } from "../../test/support/stream-service.ts";

await run({
  routes(router) {
    callRoutes(router);
    streamRoutes(router);
  },
});
