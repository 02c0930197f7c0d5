/** Formats results for a terminal. */
import { type CellResult, type ComparisonResult, judge, type Results } from "./results.ts";

/** Formats a comparison as one line: the ratio, its interval, its limit or goal, and its name. */
export function comparisonLine({ name, ratio, limit, goal }: ComparisonResult): string {
  const { median, low, high } = ratio;
  const maximum =
    limit === undefined ? (goal === undefined ? "" : `, goal ${digits(goal)}`) : `, limit ${digits(limit)}`;
  return `${digits(median).padStart(6)}  (${digits(low)} to ${digits(high)}${maximum})  ${name}`;
}

/** Formats all results except the comparisons. Includes the verdict on each comparison that has a limit or a goal. */
export function report(results: Results): string {
  const { cells, memory, start, latencyRate, absent } = results;
  const verdicts = judge(results).map(({ name, value, limit, met, goal }) => {
    const word = goal ? (met ? "reached" : "short of goal") : met ? "met" : "not met";
    return [word, digits(value), digits(limit), name];
  });
  const cellHead = [
    "CPU us",
    "calls/s",
    "p50 ms",
    "p99 ms",
    "bytes in",
    "out",
    `cell (latency at ${latencyRate} calls/s)`,
  ];
  const memoryHead = ["idle MB", "per idle connection KB", "warmed MB", "after MB", "calls", "server"];
  const memoryRows = memory.map(({ server, idle, perIdleConnection, warmed, after, calls }) => {
    return [mega(idle), (perIdleConnection / 1024).toFixed(1), mega(warmed), mega(after), String(calls), server];
  });
  const startRows = Object.entries(start ?? {}).map(([name, { median, low, high }]) =>
    [...[median, low, high].map(digits), name].map(String),
  );
  return [
    table(cellHead, cells.map(cellRow)),
    table(memoryHead, memoryRows),
    table(["median", "from", "to", "start, ms"], startRows),
    table(["verdict", "value", "limit", "limit on"], verdicts),
    table(
      ["left out"],
      Object.entries(absent).map(([name, reason]) => [`${name}: ${reason}`]),
    ),
  ]
    .filter(Boolean)
    .join("\n\n");
}

/** Returns a line for each limit that is missed; "" if all are met. */
export function missed(results: Results): string {
  const limits = judge(results).filter(({ met, goal }) => !met && !goal);
  if (limits.length === 0) return "";
  const lines = limits.map(({ name, value, limit }) => `  ${digits(value)}, limit ${digits(limit)}: ${name}`);
  return [`${limits.length} limits are missed:`, ...lines].join("\n");
}

function cellRow({ name, cpuMicroseconds, callsPerSecond, latencyMilliseconds, bytes }: CellResult): string[] {
  const values = [latencyMilliseconds?.p50, latencyMilliseconds?.p99, bytes?.request, bytes?.answer];
  const rate = callsPerSecond === undefined ? "-" : callsPerSecond.toFixed(0);
  return [
    digits(cpuMicroseconds.median),
    rate,
    ...values.map((value) => (value === undefined ? "-" : digits(value))),
    name,
  ];
}

/** Aligns all columns to the right, except the last one. Returns "" without rows. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column === head.length - 1 ? text : text.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(pad).join("  ")).join("\n");
}

/** Rounds to three significant digits, or to an integer from 100 on. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function mega(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
