/** The program of the replicas: the routes of the tests, with the page. Responses name the replica and the client. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Interceptor } from "@connectrpc/connect";
import { run } from "../../../src/program/run.ts";
import { peerKey } from "../../../src/server/rpc/context-values.ts";
import { DELAY_HEADER } from "../../restart/slow-routes.ts";
import { callRoutes } from "../../support/call-service.ts";
import { ROOT } from "../../support/command.ts";
import { streamRoutes } from "../../support/stream-service.ts";
import {
  countFillers,
  FILL_HEADER,
  FILLERS_HEADER,
  fillers,
  METADATA_HEADER,
  PEER_HEADER,
  REPLICA_HEADER,
} from "./headers.ts";

const about: Interceptor = (next) => async (request) => {
  const delay = request.header.get(DELAY_HEADER);
  if (delay !== null) await sleep(Number(delay));
  const response = await next(request);
  response.header.set(REPLICA_HEADER, String(process.pid));
  response.header.set(PEER_HEADER, String(request.contextValues.get(peerKey)?.address));
  const metadata = request.header.get(METADATA_HEADER);
  if (metadata !== null) response.header.set(METADATA_HEADER, metadata);
  const fill = request.header.get(FILL_HEADER);
  if (fill === null) return response;
  const [count = 0, bytes = 0] = fill.split(" ").map(Number);
  response.header.set(FILLERS_HEADER, String(countFillers(request.header.keys())));
  for (const [name, value] of Object.entries(fillers(count, bytes))) response.header.set(name, value);
  return response;
};

await run({
  routes(router) {
    callRoutes(router);
    streamRoutes(router);
  },
  interceptors: [about],
  pageFolder: join(ROOT, "web/dist"),
});
