/** Plans a run: reads from the arguments which measurements are wanted, and estimates their time. */
import { parseArgs } from "node:util";
import type { Cell } from "./cells.ts";
import { COMPARISONS, type Comparison, cellsOf, groups } from "./comparisons.ts";
import type { PeerName } from "./peers.ts";
import type { Pace } from "./rounds.ts";

export const HELP = `usage: npm run bench -- [--only PATTERN] [--pairs N] [--short]

  --only PATTERN  measure only what matches this regular expression: comparisons by name, "memory", "start"
  --pairs N       pairs of rounds in each comparison; the default is 15, the minimum for results to commit
  --short         make short rounds, 3 pairs and few calls: a test of the benchmark, not a measurement
  --list          print the comparisons that --only selects, and measure nothing`;

/** Servers whose memory is measured. Each can serve a million calls in less than a minute. */
const MEMORY: readonly PeerName[] = ["this server", "node:http2", "grpc-go", "tonic"];

export interface Plan {
  readonly pairs: number;
  readonly pace: Pace;
  readonly latencySeconds: number;
  readonly memoryCalls: number;
  readonly comparisons: readonly Comparison[];
  readonly memory: readonly PeerName[];
  readonly start: boolean;
  /** True if the run only prints the selected comparisons. */
  readonly list: boolean;
  /** True if the run measures everything, at full length. */
  readonly whole: boolean;
}

/** Returns undefined if the arguments ask for help. Throws on unknown options and invalid values. */
export function readPlan(args: readonly string[]): Plan | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      pairs: { type: "string" },
      short: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { only, short, list, pairs: pairsText = short ? "3" : "15" } = values;
  const pairs = Number(pairsText);
  if (!Number.isInteger(pairs) || pairs < 1)
    throw new Error(`read --pairs "${pairsText}": a whole number from 1 is expected`);
  const pattern = new RegExp(only);
  return {
    pairs,
    list,
    pace: short ? { warm: 0.4, round: 0.2 } : { warm: 1.5, round: 0.5 },
    latencySeconds: short ? 1 : 3,
    memoryCalls: short ? 50_000 : 1_000_000,
    comparisons: COMPARISONS.filter(({ name }) => pattern.test(name)),
    memory: pattern.test("memory") ? MEMORY : [],
    start: pattern.test("start"),
    whole: only === "" && !short && pairs >= 15,
  };
}

/**
 * Estimates the time of a run in minutes. Each cell of a group has a server, which starts, warms up and serves the rounds.
 * In each round, the load generator needs 0.1 s to start and the server to settle. Latency and bytes are measured once.
 */
export function estimateMinutes(plan: Plan): string {
  const { comparisons, memory, start, pairs, pace, latencySeconds, memoryCalls } = plan;
  const cells = groups(comparisons).flatMap(cellsOf).length;
  const measuredOnce = cellsOf(comparisons).filter((cell) => hasLatency(cell)).length;
  const seconds =
    cells * (pairs * (pace.round + 0.1) + pace.warm + 2) +
    measuredOnce * (latencySeconds + 1.5) +
    memory.length * (6 + memoryCalls / 40_000) +
    (start ? pairs * 0.5 : 0);
  return (seconds / 60).toFixed(1);
}

/** Returns true if the latency and the bytes of the cell's calls are measured: those of Add. */
export function hasLatency({ method, client }: Cell): boolean {
  return method === "Add" && client === "raw";
}
