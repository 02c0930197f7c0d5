/** The part of telemetry that counts calls and serves the admin port. Loaded only if --admin-port is set. */
import type { Server } from "../server/server.ts";
import { type AdminServer, startAdminServer } from "./admin-server.ts";
import { expose } from "./exposition.ts";
import { createMetrics } from "./metrics.ts";
import { TelemetryError } from "./telemetry-error.ts";
import type { TelemetryPart } from "./telemetry-part.ts";

export interface AdminSettings {
  readonly adminHost: string;
  readonly adminPort: number;
  /** True in a worker, whose primary serves the admin port. */
  readonly isWorker?: boolean;
  /** The upper bounds of the buckets of call durations, in seconds and in ascending order, if they are set. */
  readonly metricsBuckets: readonly number[] | undefined;
  /** The name and version of the program, if it has them. */
  readonly version: string | undefined;
}

/** Rejects with TelemetryError if prom-client is not installed. */
export async function createAdmin(settings: AdminSettings): Promise<TelemetryPart> {
  const { adminHost: host, adminPort: port, isWorker = false, metricsBuckets, version } = settings;
  const metrics = await createMetrics({ bounds: metricsBuckets, version });
  let admin: AdminServer | undefined;
  let served: Server | undefined;
  let isListening = false;
  const collect = async () => (served === undefined ? [] : metrics.collect(served.stats()));
  return {
    observer: metrics.observer,
    collect,
    async start(server) {
      served = server;
      if (isWorker) return;
      admin = await startAdminServer(host, port, {
        metrics: async () => expose([await collect()]),
        isReady: () => isListening && isServing(server),
      }).catch((error) => {
        throw new TelemetryError(1, listenProblem(host, port, error));
      });
    },
    listening() {
      isListening = true;
      return admin && `admin port: ${urlOf(admin)} serves /metrics, /livez and /readyz`;
    },
    end: () => admin?.close(),
  };
}

/** False in a drain too, because it begins by setting the health of the server. */
function isServing(server: Server): boolean {
  return server.health.get("") === "serving" && !server.stats().isDraining;
}

/** Returns the sentence for an error of `startAdminServer`. */
export function listenProblem(host: string, port: number, { code, message }: NodeJS.ErrnoException): string {
  const problem = code === "EADDRINUSE" ? "the port is in use; choose another with --admin-port" : message;
  return `listen on ${host} port ${port}: ${problem}`;
}

/** Returns the address of an admin server as a URL. */
export function urlOf({ address: { address, port } }: AdminServer): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
}
