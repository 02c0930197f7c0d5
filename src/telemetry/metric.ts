/** Metrics in the form of prom-client's `getMetricsAsJSON`, which is plain JSON, so that workers can send it. */

/** The value of one series. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** The name of the series, for the series of a histogram. */
  readonly metricName?: string;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
  /** The function by which the values of several processes become one. */
  readonly aggregator: "sum" | "min" | "max" | "first" | "average" | "omit";
}
