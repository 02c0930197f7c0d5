/** The part of telemetry that counts calls and serves the admin port. Loaded only if --admin-port is set. */
import { listenProblem } from "../server/listener/listen-problem.ts";
import type { Server } from "../server/server.ts";
import { localAddress } from "../server/site/advertised-address.ts";
import { type AdminOptions, type AdminServer, startAdminServer } from "./admin-server.ts";
import { expose } from "./exposition.ts";
import type { Metric } from "./metric.ts";
import { createMetrics } from "./metrics.ts";
import { TelemetryError } from "./telemetry-error.ts";
import type { TelemetryPart } from "./telemetry-part.ts";

export interface AdminSettings {
  readonly adminHost: string;
  readonly adminPort: number;
  /** The upper bounds of the buckets of call durations, in seconds and in ascending order, if they are set. */
  readonly metricsBuckets: readonly number[] | undefined;
  /** The name and version of the program, if it has them. */
  readonly version: string | undefined;
  /** Gets the metrics of a worker, in place of the admin port. Undefined in a process that is not a worker. */
  readonly primary?: PrimaryLink | undefined;
}

/** The answers of a worker to its primary, which serves the admin port for all workers. */
export interface Answers {
  metrics(): Promise<readonly Metric[]>;
  isReady(): boolean;
}

/** The primary of this process, if it is a worker. */
export interface PrimaryLink {
  /** From now on, the primary gets the answers. */
  answer(answers: Answers): void;
  /** Sends the metrics when all calls have ended, after which the primary gets no more answers. */
  sendLast(metrics: readonly Metric[]): void;
}

/** Rejects with TelemetryError if prom-client is not installed. */
export async function createAdmin(settings: AdminSettings): Promise<TelemetryPart> {
  const { adminHost: host, adminPort: port, metricsBuckets, version, primary } = settings;
  const metrics = await createMetrics({ bounds: metricsBuckets, version });
  let admin: AdminServer | undefined;
  let answers: Answers | undefined;
  let isListening = false;
  return {
    observer: metrics.observer,
    async start(server) {
      const collect = () => metrics.collect(server.stats());
      const isReady = () => isListening && isServing(server);
      answers = { metrics: collect, isReady };
      if (primary === undefined)
        admin = await startAdmin(host, port, { metrics: async () => expose([await collect()]), isReady });
      else primary.answer(answers);
    },
    listening() {
      isListening = true;
      return admin && adminLine(admin);
    },
    async close() {
      if (answers !== undefined) primary?.sendLast(await answers.metrics());
    },
    end: () => admin?.close(),
  };
}

/** Rejects with TelemetryError if the server cannot listen. */
export function startAdmin(host: string, port: number, options: AdminOptions): Promise<AdminServer> {
  return startAdminServer(host, port, options).catch((error) => {
    throw new TelemetryError(1, listenProblem(host, port, error, "--admin-port"));
  });
}

/** Returns the line for the operator. */
export function adminLine(admin: AdminServer): string {
  const { scheme, authority } = localAddress(admin.address);
  return `admin port: ${scheme}://${authority} serves /metrics, /livez and /readyz`;
}

/** False in a drain too, because it begins by setting the health of the server. */
function isServing(server: Server): boolean {
  return server.health.get("") === "serving" && !server.stats().isDraining;
}
