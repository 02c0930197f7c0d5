/** The admin port of a primary. Its metrics are the sums of those of the workers. Loaded only if --admin-port is set. */
import { adminLine, startAdmin } from "./admin.ts";
import { expose } from "./exposition.ts";
import type { Metric } from "./metric.ts";
import { createProcessMetrics } from "./metrics.ts";
import { type WorkerCounts, WorkerMetrics } from "./worker-metrics.ts";

/** The workers of a primary. */
export interface Workers {
  /** Asks all workers for their metrics. Resolves with an entry for each: undefined if it does not answer in time. */
  metrics(): Promise<ReadonlyMap<number, readonly Metric[] | undefined>>;
  /** Resolves with true as soon as a worker answers that it is ready, or else with false. */
  isReady(): Promise<boolean>;
  counts(): WorkerCounts;
}

/** The admin port of a primary. */
export interface PrimaryAdmin {
  /** The line for the operator. */
  readonly line: string;
  /** Takes the last metrics of a worker, which it sends before it ends. */
  answered(worker: number, metrics: readonly Metric[]): void;
  /** Called when a worker has ended. */
  ended(worker: number): void;
}

/** Rejects with TelemetryError if prom-client is not installed, or if the server cannot listen. */
export async function startPrimaryAdmin(host: string, port: number, workers: Workers): Promise<PrimaryAdmin> {
  const ofProcess = await createProcessMetrics();
  const metrics = new WorkerMetrics();
  const admin = await startAdmin(host, port, {
    async metrics() {
      const own = (await ofProcess()).filter(({ name }) => name.startsWith("process_"));
      return expose([own, ...metrics.sum(await workers.metrics(), workers.counts())]);
    },
    isReady: () => workers.isReady(),
  });
  return {
    line: adminLine(admin),
    answered: (worker, last) => metrics.answered(worker, last),
    ended: (worker) => void metrics.ended(worker),
  };
}
