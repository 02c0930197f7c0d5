/** The settings of telemetry: their types, flags, variables, defaults and parsers. */
import type { Setting } from "../cli/setting.ts";
import type { TelemetrySettings } from "../telemetry/telemetry.ts";
import { parseHost, parsePort, parseRatio, parseSwitch } from "./parsers.ts";

export type TelemetryConfig = Omit<TelemetrySettings, "primary" | "version">;

/** The maximum number of buckets. Each adds a series for each method, protocol and status code. */
const MAX_BUCKETS = 64;

/** The units of the bounds of buckets, in parts of a second. */
const PARTS_OF_A_SECOND: ReadonlyMap<string, number> = new Map([
  ["us", 1_000_000],
  ["ms", 1_000],
  ["s", 1],
  ["", 1],
]);

/** The settings in the order of `--help`. */
export const TELEMETRY_SETTINGS: { readonly [K in keyof TelemetryConfig]: Setting<TelemetryConfig[K]> } = {
  adminPort: {
    flag: "admin-port",
    env: "ADMIN_PORT",
    takes: "PORT",
    default: undefined,
    help: "port for operators: /metrics for Prometheus, /livez and /readyz for probes; 0 picks a free one. Needs the package prom-client. Without this flag: none",
    allowed: "a whole number from 0 to 65535",
    parse: parsePort,
  },
  adminHost: {
    flag: "admin-host",
    env: "ADMIN_HOST",
    takes: "HOST",
    default: "127.0.0.1",
    help: "address or name that the port for operators listens on. It needs no credentials, so it belongs in a private network",
    allowed: "an IP address or a host name",
    parse: parseHost,
  },
  metricsBuckets: {
    flag: "metrics-buckets",
    env: "METRICS_BUCKETS",
    takes: "DURATIONS",
    default: undefined,
    help: "upper bounds of the buckets of call durations in metrics, separated by commas, such as 50us,100us,1ms; a number without a unit is in seconds. Without this flag: 14 bounds from 5ms to 10s, those of OpenTelemetry",
    allowed: `at most ${MAX_BUCKETS} durations in ascending order separated by commas, each a number of seconds above 0 or with a unit (us, ms, s)`,
    parse: parseBuckets,
  },
  accessLogRatio: {
    flag: "access-log-ratio",
    env: "ACCESS_LOG_RATIO",
    takes: "RATIO",
    default: undefined,
    help: "share of the calls that the access log has, a line for each; 1 for all. The others are logged only if they end with an error of the server, at most one a second for each method and code; 0 logs only these. Without this flag: no access log",
    allowed: "a number from 0 to 1",
    parse: parseRatio,
  },
  traceRatio: {
    flag: "trace-ratio",
    env: "TRACE_RATIO",
    takes: "RATIO",
    default: "0",
    help: "share of the calls that OpenTelemetry traces and exports by OTLP, as the OTEL_* variables say; 0.01 for 1 %. Needs packages of @opentelemetry",
    allowed: "a number from 0 to 1",
    parse: parseRatio,
  },
  traceTrust: {
    flag: "trace-trust",
    env: "TRACE_TRUST",
    takes: "on|off",
    default: "off",
    help: "on continues the trace of the caller's traceparent, and follows its decision to sample; off only links it. On lets every caller decide how many calls are traced, even without --trace-ratio",
    allowed: "on or off",
    parse: parseSwitch,
  },
};

/** Returns the bounds in seconds, or undefined if one is invalid or the order is not ascending. */
function parseBuckets(text: string): number[] | undefined {
  const bounds = text.split(",").map((item) => parseSeconds(item.trim()));
  const isAscending = bounds.every((bound, index) => bound > (bounds[index - 1] ?? 0));
  return isAscending && bounds.length <= MAX_BUCKETS ? bounds : undefined;
}

/** Returns a number of seconds, or NaN if the text is not a duration, such as 50us or 0.005. */
function parseSeconds(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9}(?:\.\d{1,9})?)([a-z]*)$/.exec(text) ?? [];
  // Rounded, since a quotient such as 0.7 / 1_000 has an error in its last digit.
  return Number((Number(digits) / (PARTS_OF_A_SECOND.get(unit) ?? Number.NaN)).toPrecision(12));
}
