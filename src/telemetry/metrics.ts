/** The metrics of one process: the durations of its calls, the figures of its server, and those of the process itself. */
import type { Registry } from "prom-client";
import { LIMIT_NAMES } from "../server/limits/limits.ts";
import type { Observer } from "../server/rpc/observer.ts";
import type { Refusal, ServerStats } from "../server/stats.ts";
import { CallDurations } from "./call-durations.ts";
import type { Metric, Sample } from "./metric.ts";
import { importOptional } from "./telemetry-error.ts";

export interface MetricsOptions {
  /** The upper bounds of the buckets of durations, in seconds and in ascending order. Default: those of the conventions. */
  readonly bounds: readonly number[] | undefined;
  /** The name and version of the program, if it has them. */
  readonly version: string | undefined;
}

/** The metrics of one process. */
export interface Metrics {
  /** Counts the calls. */
  readonly observer: Observer;
  /** Returns all metrics at this moment. `stats` are the figures of the server. */
  collect(stats: ServerStats): Promise<Metric[]>;
}

/** Begins to measure the process. Rejects with TelemetryError if prom-client is not installed. */
export async function createMetrics({ bounds, version }: MetricsOptions): Promise<Metrics> {
  const ofProcess = await createProcessMetrics();
  const durations = new CallDurations(bounds);
  return {
    observer: durations,
    async collect(stats) {
      return [durations.read(), ...serverMetrics(stats), buildInfo(version), ...(await ofProcess())];
    },
  };
}

/** Returns a function that returns the metrics of the process. Rejects with TelemetryError if prom-client is not installed. */
export async function createProcessMetrics(): Promise<() => Promise<Metric[]>> {
  const { collectDefaultMetrics, Registry } = await importPromClient();
  const registry: Registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  return async () => ((await registry.getMetricsAsJSON()) as unknown as Metric[]).map(withStartTime);
}

/**
 * Default metrics of prom-client that list every open socket, which takes long with many connections. Three of them are gauges
 * with names of counters.
 */
const LEFT_OUT = ["handles", "requests", "resources"].flatMap((what) => [
  `nodejs_active_${what}`,
  `nodejs_active_${what}_total`,
]);

/** prom-client leaves the start time out of aggregated metrics. Here it is that of the process that started last. */
function withStartTime(metric: Metric): Metric {
  return metric.name === "process_start_time_seconds" ? { ...metric, aggregator: "max" } : metric;
}

/** Imports prom-client, which only the setting --admin-port needs. Rejects with TelemetryError if it is not installed. */
export function importPromClient(): Promise<typeof import("prom-client")> {
  return importOptional("--admin-port", "prom-client", () => import("prom-client"));
}

const NO_REFUSALS: Readonly<Record<Refusal, 0>> = {
  host: 0,
  plain_text: 0,
  tls: 0,
  client_certificate: 0,
  server_certificate: 0,
  proxy_protocol: 0,
  tls_handshake: 0,
};

/** Returns the metrics of a server. All series exist from the start, since a first increase from nothing is not an increase. */
function serverMetrics(stats: ServerStats): Metric[] {
  const { connections, callsInFlight, limitHits, refusals, isDraining, certificateEndsAt } = stats;
  const versions = { "1.1": connections["1.1"], "2": connections["2.0"], pending: connections.pending };
  const limits = Object.fromEntries(LIMIT_NAMES.map((name) => [name, limitHits[name] ?? 0]));
  const expiry = certificateEndsAt === undefined ? [] : [sample(certificateEndsAt)];
  return [
    {
      name: "rpc_server_connections",
      help: "Open connections by HTTP version. Those that have not chosen a version are pending.",
      type: "gauge",
      values: samples("http_version", versions),
      aggregator: "sum",
    },
    {
      name: "rpc_server_calls_in_flight",
      help: "Calls of handlers that are running. Without health and reflection.",
      type: "gauge",
      values: [sample(callsInFlight)],
      aggregator: "sum",
    },
    {
      name: "rpc_server_limit_hits_total",
      help: "Number of times that a limit was reached.",
      type: "counter",
      values: samples("limit", limits),
      aggregator: "sum",
    },
    {
      name: "rpc_server_refusals_total",
      help: "Connections and requests that were refused, by the reason.",
      type: "counter",
      values: samples("reason", { ...NO_REFUSALS, ...refusals }),
      aggregator: "sum",
    },
    {
      name: "rpc_server_draining",
      help: "1 if the server is shutting down, otherwise 0.",
      type: "gauge",
      values: [sample(isDraining ? 1 : 0)],
      aggregator: "min", // a worker that is replaced drains alone
    },
    {
      name: "rpc_server_tls_certificate_expiry_timestamp_seconds",
      help: "Time at which the TLS certificate ends, in seconds since 1970. Missing without TLS.",
      type: "gauge",
      values: expiry,
      aggregator: "min",
    },
  ];
}

function buildInfo(version = ""): Metric {
  const labels = { version, node_version: process.versions.node };
  return {
    name: "rpc_server_build_info",
    help: "Always 1. The labels are the versions of the program and of Node.js.",
    type: "gauge",
    values: [{ value: 1, labels }],
    aggregator: "first",
  };
}

function sample(value: number): Sample {
  return { value, labels: {} };
}

/** Returns a sample for each value, with its name as `label`. */
function samples(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ value, labels: { [label]: name } }));
}
