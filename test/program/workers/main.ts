/** The program of the tests of workers. Its responses name the process, and take the time that the request asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../../src/program/run.ts";
import { CallService } from "../../gen/calls/v1/calls_pb.ts";

await run({
  routes(router) {
    router.service(CallService, {
      /** Returns the id of the process after `a` ms. */
      async add({ a }) {
        await sleep(a);
        return { sum: process.pid };
      },
    });
  },
});
