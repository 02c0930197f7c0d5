/** Sums the metrics of workers, so that no counter falls when a worker ends or does not answer. */
import type { Metric } from "./metric.ts";
import { importPromClient } from "./metrics.ts";

/** The figures of the primary about its workers. */
export interface WorkerCounts {
  /** Workers that listen, without those that are being replaced. */
  readonly serving: number;
  /** Workers that ended without a signal to the primary. */
  readonly crashes: number;
}

export class WorkerMetrics {
  /** The counters in the last answer of each worker that runs. */
  readonly #lastOf = new Map<number, readonly Metric[]>();
  /** The counters of workers that have ended: the sum of most, and those that are not in the sum yet. */
  #ofEnded: readonly (readonly Metric[])[] = [];
  #merging = Promise.resolve();
  #timeouts = 0;

  /**
   * Returns the metrics of all workers, as the argument of `expose`. `answers` has the metrics of each worker by its id;
   * undefined if it did not answer in time. Of such a worker, the counters in its last answer count, but no gauges.
   */
  sum(answers: ReadonlyMap<number, readonly Metric[] | undefined>, counts: WorkerCounts): (readonly Metric[])[] {
    for (const [id, metrics] of answers) {
      if (metrics === undefined) this.#timeouts++;
      else this.answered(id, metrics);
    }
    const current = [...answers].filter(([, metrics]) => metrics !== undefined);
    const others = [...this.#lastOf].filter(([id]) => answers.get(id) === undefined);
    return [...[...current, ...others].map(([, metrics]) => metrics ?? []), ...this.#ofEnded, this.#own(counts)];
  }

  /** Keeps the counters of an answer, which may be the last one of the worker. */
  answered(id: number, metrics: readonly Metric[]): void {
    this.#lastOf.set(id, counters(metrics));
  }

  /** Adds the counters of a worker that has ended to those of the others before. Resolves when they are one sum. */
  ended(id: number): Promise<void> {
    const last = this.#lastOf.get(id);
    if (last === undefined) return this.#merging;
    this.#lastOf.delete(id);
    this.#ofEnded = [...this.#ofEnded, last];
    this.#merging = this.#merging.then(() => this.#merge());
    return this.#merging;
  }

  async #merge(): Promise<void> {
    const { AggregatorRegistry } = await importPromClient();
    const merged = this.#ofEnded;
    const sum = await AggregatorRegistry.aggregate(merged as Metric[][]).getMetricsAsJSON();
    this.#ofEnded = [sum as unknown as Metric[], ...this.#ofEnded.slice(merged.length)];
  }

  #own({ serving, crashes }: WorkerCounts): Metric[] {
    const counter = (name: string, help: string, value: number): Metric => ({
      ...{ name, help, type: "counter", aggregator: "sum" },
      values: [{ value, labels: {} }],
    });
    return [
      { ...counter("rpc_server_workers", "Workers that serve.", serving), type: "gauge" },
      counter("rpc_server_worker_crashes_total", "Workers that ended unexpectedly. Another one was started.", crashes),
      counter(
        "rpc_server_worker_timeouts_total",
        "Answers of workers that were too late for a scrape, which then has their counters of the scrape before.",
        this.#timeouts,
      ),
    ];
  }
}

function counters(metrics: readonly Metric[]): readonly Metric[] {
  return metrics.filter(({ type }) => type !== "gauge");
}
