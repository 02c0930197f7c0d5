/** Clients of the headless Service: clients that balance calls themselves, and others that connect to one of its addresses. */
import type { Client } from "../../../restart/client.ts";
import { CONNECT_CLIENTS } from "../../../restart/connect-clients.ts";
import { FETCH } from "../../../restart/fetch.ts";
import { unary } from "../../../restart/grpc-js.ts";
import { ghz } from "../../../restart/outside.ts";

const ROUND_ROBIN = { "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) };

export const BALANCING_CLIENTS: readonly Client[] = [
  unary("gRPC, grpc-js, round_robin", false, ROUND_ROBIN),
  unary("gRPC, grpc-js, round_robin, slow calls", true, ROUND_ROBIN),
  ghz("gRPC, ghz (grpc-go), round_robin", ["--lb-strategy", "round_robin"], "dns:///"),
];

export const HEADLESS_CLIENTS: readonly Client[] = [
  ...BALANCING_CLIENTS,
  ...CONNECT_CLIENTS.filter(({ mayLose }) => mayLose === undefined),
  FETCH,
].map((client) => ({ ...client, name: `headless: ${client.name}` }));
