/** Serves the gRPC health service (grpc.health.v1) from a HealthStatus. */
import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ServiceImpl,
} from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../../gen/health/v1/health_pb.ts";
import { quote } from "../log/quote.ts";
import { isRegistered } from "../rpc/registrations.ts";
import type { HealthStatus, Status } from "./health-status.ts";

/** The maximum number of services in a List response, as in grpc-go. For more, health.proto allows RESOURCE_EXHAUSTED. */
const MAX_LISTED = 100;

const WIRE = {
  serving: ServingStatus.SERVING,
  "not-serving": ServingStatus.NOT_SERVING,
  unknown: ServingStatus.SERVICE_UNKNOWN,
} as const satisfies Record<Status, ServingStatus>;

/**
 * Registers the health service, whose Watch streams end when `endOfWatches` aborts. Returns the service. If the router has a
 * health service already, registers nothing and returns undefined.
 */
export function registerHealth(
  router: ConnectRouter,
  health: HealthStatus,
  endOfWatches: AbortSignal,
  options: Partial<ConnectRouterOptions>,
): DescService | undefined {
  if (isRegistered(router, Health)) return undefined;
  const implementation: ServiceImpl<typeof Health> = {
    check({ service }) {
      const status = health.get(service);
      if (status === "unknown") {
        throw new ConnectError(`check health of ${quote(service)}: no such service`, Code.NotFound);
      }
      return { status: WIRE[status] };
    },
    async *watch({ service }, context) {
      const signal = AbortSignal.any([context.signal, endOfWatches]);
      for await (const status of statuses(health, service, signal)) yield { status: WIRE[status] };
    },
    list() {
      const services = health.list();
      if (services.size > MAX_LISTED) {
        const message = `list health of ${services.size} services: at most ${MAX_LISTED}`;
        throw new ConnectError(message, Code.ResourceExhausted);
      }
      return { statuses: Object.fromEntries([...services].map(([name, status]) => [name, { status: WIRE[status] }])) };
    },
  };
  router.service(Health, implementation, options);
  return Health;
}

/**
 * Yields the service's current status and then each new status. If the status changes several times between two reads,
 * yields only the newest. Never yields the same status twice in a row. When `signal` aborts, yields a pending change
 * and then throws the reason of `signal`.
 */
async function* statuses(health: HealthStatus, service: string, signal: AbortSignal): AsyncGenerator<Status> {
  let wake = (): void => {};
  const stop = health.watch(service, () => wake());
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    let sent: Status | undefined;
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const status = health.get(service);
      if (status !== sent) {
        sent = status;
        yield status;
      } else if (signal.aborted) throw signal.reason;
      else await changed;
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
