/** All clients of the drill. */
import type { Client } from "./client.ts";
import { CONNECT_CLIENTS } from "./connect-clients.ts";
import { EARLY_CLIENTS } from "./early.ts";
import { FETCH } from "./fetch.ts";
import { GRPC_JS_CLIENTS } from "./grpc-js.ts";
import { HEEDLESS } from "./heedless.ts";
import { OUTSIDE_CLIENTS } from "./outside.ts";

export const CLIENTS: readonly Client[] = [
  ...GRPC_JS_CLIENTS,
  ...OUTSIDE_CLIENTS,
  ...CONNECT_CLIENTS,
  FETCH,
  ...EARLY_CLIENTS,
  HEEDLESS,
];
