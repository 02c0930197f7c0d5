/** The figures of a server at one moment, for metrics. */
import type { LimitName } from "./limits/limits.ts";

/** The figures of a server at one moment. A plain object of JSON types. */
export interface ServerStats {
  /** Open connections by HTTP version. `pending` counts those that have not chosen one. */
  readonly connections: { readonly "1.1": number; readonly "2.0": number; readonly pending: number };
  /** Calls of handlers that are running, without those of health and reflection. */
  readonly callsInFlight: number;
  /** Number of times that each limit was reached since the server was created. A limit that was not reached is missing. */
  readonly limitHits: { readonly [K in LimitName]?: number };
  /** Number of connections and requests that were refused, by the reason: a word of a small set, such as "host". */
  readonly refusals: { readonly [reason: string]: number };
  /** True from the beginning of `close`. */
  readonly isDraining: boolean;
  /** Time at which the TLS certificate ends, in seconds since 1970; undefined without TLS. */
  readonly certificateEndsAt: number | undefined;
}
