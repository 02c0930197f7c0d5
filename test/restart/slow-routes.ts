/** The routes of the service. GetSum waits for the milliseconds of the header x-delay-ms. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectRouter } from "@connectrpc/connect";
import { Test } from "../../gen/service_pb.ts";
import { getSum } from "../../src/sum.ts";

export const DELAY_HEADER = "x-delay-ms";

export function routes(router: ConnectRouter): void {
  router.service(Test, {
    getSum(request, { requestHeader }) {
      const delay = requestHeader.get(DELAY_HEADER);
      return delay === null ? getSum(request) : sleep(Number(delay)).then(() => getSum(request));
    },
  });
}
