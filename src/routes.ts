/** What is served: a plain Connect routes function. */
import type { ConnectRouter } from "@connectrpc/connect";
import { Test } from "../gen/service_pb.ts";
import { getSum } from "./sum.ts";

/** Registers the service. It runs on any Connect server. */
export function routes(router: ConnectRouter): void {
  router.service(Test, {
    getSum(request, context) {
      const sum = getSum(request);
      // The same two numbers have the same sum for everyone, so any cache may keep the answer to a GET.
      if (context.requestMethod === "GET") context.responseHeader.set("Cache-Control", "public, max-age=3600");
      return sum;
    },
  });
}
