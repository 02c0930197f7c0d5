/** The routes of the applications that test the package. */

import { peerKey } from "@connect-sum/server";
import type { ConnectRouter } from "@connectrpc/connect";
import { CallService } from "./calls_pb.js";

/** The time that `record` takes. A shutdown of the server meets it on its way. */
export const RECORD_MS = 200;

export function routes(router: ConnectRouter): void {
  router.service(CallService, {
    add: ({ a, b }, context) => {
      context.responseHeader.set("x-peer", String(context.values.get(peerKey)?.address));
      return { sum: a + b };
    },
    record: async ({ a, b }) => {
      await new Promise((resolve) => setTimeout(resolve, RECORD_MS));
      return { sum: a + b };
    },
  });
}
