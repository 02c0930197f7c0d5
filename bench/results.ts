/** The results of one run, in the form of its JSON file. */
import { readFileSync } from "node:fs";
import { arch, cpus, release, type } from "node:os";
import { DEFAULTS, type Load } from "./cells.ts";
import { MEMORY_LIMIT, START_LIMIT } from "./comparisons.ts";
import type { Latency } from "./load.ts";
import type { Memory } from "./memory.ts";
import type { Start } from "./start.ts";
import type { Estimate } from "./stats.ts";
import type { WireBytes } from "./wire-bytes.ts";

export interface Results {
  readonly date: string;
  readonly machine: Machine;
  /** Versions of the servers and of the load generators, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Reasons why servers and load generators were left out, by name. */
  readonly absent: Readonly<Record<string, string>>;
  readonly pairs: number;
  /** Calls per second at which latency was measured. */
  readonly latencyRate: number;
  readonly cells: readonly CellResult[];
  readonly comparisons: readonly ComparisonResult[];
  readonly memory: readonly Memory[];
  readonly start?: Start;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly os: string;
  readonly node: string;
}

export interface CellResult extends Omit<Load, "connections" | "streams"> {
  readonly name: string;
  readonly server: string;
  /** Protocol, codec and HTTP version, like "gRPC proto over HTTP/2". */
  readonly wire: string;
  /** Connections and calls in flight on each, like "4 x 16". */
  readonly shape: string;
  /** CPU time of the server per call, or per message of a stream, over all rounds. */
  readonly cpuMicroseconds: Estimate;
  /** Undefined if the server's core was not busy in any round: the load generator then limited the rate. */
  readonly callsPerSecond?: number;
  /** Latency and bytes are those of calls of Add. */
  readonly latencyMilliseconds?: Latency;
  readonly bytes?: WireBytes;
}

export interface ComparisonResult {
  readonly name: string;
  readonly a: string;
  readonly b: string;
  /** CPU time per call of `a`, divided by that of `b`, over the pairs of rounds. */
  readonly ratio: Estimate;
  readonly limit?: number;
  readonly goal?: number;
}

/**
 * Reads the results of a run. Older results do not name the load of a cell, which is then the default: Add with equal
 * heads. Leaves out their cells of ghz and with a deadline, which have no counterpart.
 */
export function readResults(path: string): Results {
  const results: Results = JSON.parse(readFileSync(path, "utf8"));
  const cells = results.cells.flatMap((cell) => {
    const { client, deadline, ...rest } = cell as CellResult & { deadline?: boolean };
    const isOld = deadline !== undefined;
    if (isOld && ((client as string) !== "h2load" || deadline)) return [];
    return [{ ...DEFAULTS, ...rest, ...(!isOld && { client }) }];
  });
  return { ...results, cells };
}

/** A measured value and its limit. */
export interface Verdict {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly met: boolean;
  /** True if `limit` is a goal, which may be missed. */
  readonly goal: boolean;
}

/** Returns a verdict on each measured value that has a limit or a goal. */
export function judge({ comparisons, memory, start }: Pick<Results, "comparisons" | "memory" | "start">): Verdict[] {
  const verdict = (name: string, value: number, limit: number, goal = false): Verdict => {
    return { name, value, limit, met: value <= limit, goal };
  };
  const own = memory.find(({ server }) => server === "this server");
  return [
    ...comparisons.flatMap(({ name, ratio, limit = Number.NaN, goal = limit }) =>
      Number.isNaN(goal) ? [] : [verdict(name, ratio.median, goal, Number.isNaN(limit))],
    ),
    ...(own ? [verdict(`resident memory after ${own.calls} calls / warm`, own.after / own.warmed, MEMORY_LIMIT)] : []),
    ...(start ? [verdict("start to first response / an empty script", start.ratio.median, START_LIMIT)] : []),
  ];
}

export function describeMachine(): Machine {
  const [cpu] = cpus();
  const distribution = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  const os = `${distribution}, ${type()} ${release()} ${arch()}`;
  return { cpu: cpu?.model ?? "", cores: cpus().length, os, node: process.version };
}
