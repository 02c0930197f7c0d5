/** The routes of the tests. Add waits for the milliseconds of the header x-delay-ms. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectRouter } from "@connectrpc/connect";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { addInt32 } from "../support/call-service.ts";

export const DELAY_HEADER = "x-delay-ms";

export function slowRoutes(router: ConnectRouter): void {
  router.service(CallService, {
    async add(request, { requestHeader }) {
      const delay = requestHeader.get(DELAY_HEADER);
      if (delay !== null) await sleep(Number(delay));
      return { sum: addInt32(request) };
    },
  });
}
