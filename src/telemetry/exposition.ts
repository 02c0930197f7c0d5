/** The text that Prometheus scrapes, of the metrics of one or several processes. */
import type { Metric } from "./metric.ts";
import { importPromClient } from "./metrics.ts";

/** The type of the text, which is in Prometheus's text format. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Returns the text. `collected` has the metrics of each process. The aggregators merge them into one. */
export async function expose(collected: readonly (readonly Metric[])[]): Promise<string> {
  const { AggregatorRegistry } = await importPromClient();
  return AggregatorRegistry.aggregate(collected as Metric[][]).metrics();
}
