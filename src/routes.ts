/** The server's routes: the service `Test`, as a plain Connect routes function. */
import type { ConnectRouter } from "@connectrpc/connect";
import { Test } from "../gen/service_pb.ts";
import { getSum } from "./sum.ts";

/** Registers the service on a router of any Connect server. */
export function routes(router: ConnectRouter): void {
  router.service(Test, {
    getSum(request, context) {
      const sum = getSum(request);
      // The sum of two numbers never changes, so any cache may store the response to a GET.
      if (context.requestMethod === "GET") context.responseHeader.set("Cache-Control", "public, max-age=3600");
      return sum;
    },
  });
}
