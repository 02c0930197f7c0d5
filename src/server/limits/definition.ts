/** The definition of a limit: the type of each row in the table (limits.ts), and the groups of limits. */

/** The groups of limits and their headings, in the order of `--help`. */
export const LIMIT_GROUPS = {
  connections: "Connections",
  requests: "Requests",
  responses: "Responses",
  memory: "Memory",
  calls: "Calls in flight and deadlines",
  floods: "Flood control",
} as const;

/** A row of the table of limits. */
export interface Limit {
  /** The default in `unit`, for a process with enough memory. */
  readonly default: number;
  /** Caps the default at this many units for each byte of memory. The value 1 / 8 caps bytes at an eighth of the memory. */
  readonly memoryShare?: number;
  /** True if the limit counts over all connections. Each of the program's workers enforces an equal part of it. */
  readonly isTotal?: boolean;
  /** The smallest value besides "off". Default: 1. */
  readonly min?: number;
  /** The largest value besides "off". Default: 2^31-1. */
  readonly max?: number;
  /** The unit of all values of this limit. */
  readonly unit:
    | "bytes"
    | "bytes/s"
    | "calls"
    | "connections"
    | "frames"
    | "frames/s"
    | "handlers"
    | "messages"
    | "ms"
    | "streams"
    | "streams/s";
  /** The group in which `--help` lists the limit. */
  readonly group: keyof typeof LIMIT_GROUPS;
  /** The HTTP versions to which the limit applies. docs/limits.md names the limits that node:http2 does not enforce. */
  readonly on: "all" | "HTTP/1.1" | "HTTP/2";
  /** The quantity that is limited. */
  readonly bounds: string;
  /** The effect of exceeding the limit. */
  readonly over: string;
  /** The reason for the default. */
  readonly reason: string;
}
