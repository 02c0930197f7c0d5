/** Runs the benchmark: compares servers in pairs of rounds, judges the limits, and writes the results. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cell, cell, GRPC } from "./cells.ts";
import { chart } from "./chart.ts";
import { type Comparison, cellsOf, groups } from "./comparisons.ts";
import { loadAtRate, loadGenerator } from "./load.ts";
import { type Memory, measureMemory } from "./memory.ts";
import { PEERS, type PeerName } from "./peers.ts";
import { estimateMinutes, HELP, hasLatency, type Plan, readPlan } from "./plan.ts";
import { comparisonLine, missed, report } from "./report.ts";
import { type CellResult, type ComparisonResult, describeMachine, type Results } from "./results.ts";
import { type Round, warmUp } from "./rounds.ts";
import { type Cores, divideCores, RunningServer } from "./server.ts";
import { measureStart, type Start } from "./start.ts";
import { estimate } from "./stats.ts";
import { writeSummary } from "./summary.ts";
import { Absent, goVersion } from "./toolchain.ts";
import { countBytes } from "./wire-bytes.ts";

/** Calls per second at which latency is measured. Every server can do much more. */
const LATENCY_RATE = 1000;
/** The part of a round in which the server's core must be busy. Other rounds do not count for calls per second. */
const BUSY = 0.95;

/** The measurements of a cell: its rounds of all comparisons, and the measurements that are made once. */
interface Measured {
  readonly cell: Cell;
  readonly rounds: Round[];
  readonly once: Pick<CellResult, "latencyMilliseconds" | "bytes">;
}

/** Returns the exit code: 1 if a limit is missed, 2 if the arguments are invalid. */
async function main(): Promise<number> {
  const plan = planOrExit();
  if (plan === undefined || plan.list) {
    console.log(plan === undefined ? HELP : listed(plan));
    return 0;
  }
  const cores = divideCores();
  const { commands, versions, absent } = prepare(plan);
  const command = (name: PeerName): readonly string[] | undefined => commands.get(name);
  const comparisons = plan.comparisons.filter(({ pair }) => pair.every(isPresent));
  const memoryPeers = plan.memory.filter((name) => commands.has(name));
  function isPresent({ server }: Cell): boolean {
    return commands.has(server);
  }
  for (const [name, reason] of Object.entries(absent)) console.log(`left out: ${name}: ${reason}`);
  console.log(
    `${comparisons.length} comparisons of ${plan.pairs} pairs: about ${estimateMinutes({ ...plan, comparisons, memory: memoryPeers })} minutes`,
  );

  const measured = new Map<string, Measured>();
  const compared: ComparisonResult[] = [];
  const failed: string[] = [];
  for (const group of groups(comparisons)) {
    try {
      const results = await compare(group, command, cores, plan, measured);
      compared.push(...results);
      console.log(results.map(comparisonLine).join("\n"));
    } catch (error) {
      // The other groups are still measured, but the run does not count as whole.
      for (const { name } of group) absent[name] = (error as Error).message;
      failed.push(...group.map(({ name }) => name));
    }
    console.log(`${compared.length + failed.length} of ${comparisons.length} comparisons are done`);
  }
  const memory: Memory[] = [];
  for (const name of memoryPeers) {
    console.log(`memory: ${name}`);
    memory.push(
      await serving(command(name), cores, (server) =>
        measureMemory(cell(name, GRPC, { heads: "trace" }), server, plan.memoryCalls),
      ),
    );
  }
  let start: Start | undefined;
  if (plan.start) {
    console.log("start");
    start = await measureStart(cores.server, plan.pairs);
  }
  const results: Results = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    versions,
    absent,
    pairs: plan.pairs,
    latencyRate: LATENCY_RATE,
    cells: [...measured.values()].map(cellResult),
    comparisons: compared,
    memory,
    ...(start && { start }),
  };
  const whole = plan.whole && failed.length === 0;
  const path = write(results, whole);
  if (whole) writeSummary(path);
  console.log(`\n${report(results)}\n\nwritten to ${path}`);
  const limits = missed(results);
  if (limits !== "") console.error(`\n${limits}`);
  if (failed.length > 0) console.error(`\n${["comparisons that failed:", ...failed].join("\n  ")}`);
  return limits === "" && failed.length === 0 ? 0 : 1;
}

function listed(plan: Plan): string {
  const names = plan.comparisons.map(({ name, limit }) => `${name}${limit === undefined ? "" : `, limit ${limit}`}`);
  return [...names, `about ${estimateMinutes(plan)} minutes`].join("\n");
}

function planOrExit(): Plan | undefined {
  try {
    return readPlan(process.argv.slice(2));
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

/**
 * Builds the load generators and every server of the plan. In the result, `absent` has the reason why a server is left
 * out. Throws Absent if a load generator cannot be built.
 */
function prepare({ comparisons, memory }: Plan) {
  const commands = new Map<PeerName, readonly string[]>();
  const versions: Record<string, string> = {};
  const absent: Record<string, string> = {};
  console.log("prepare the load generator");
  for (const client of ["raw", "grpc-go"] as const) loadGenerator(client);
  versions["load generator (golang.org/x/net)"] = goVersion("golang.org/x/net");
  versions["grpc-go's client"] = goVersion("google.golang.org/grpc");
  for (const name of new Set([...memory, ...cellsOf(comparisons).map(({ server }) => server)])) {
    console.log(`prepare ${name}`);
    unlessAbsent(absent, name, () => {
      commands.set(name, PEERS[name].command());
      versions[name] = PEERS[name].version();
    });
  }
  return { commands, versions, absent };
}

function unlessAbsent(absent: Record<string, string>, name: string, prepare: () => void): void {
  try {
    prepare();
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    absent[name] = error.message;
  }
}

/**
 * Measures rounds of the group's cells in turn, each on its own server. Adds the rounds to `measured`. Returns the ratios
 * of the comparisons, each from rounds that followed each other.
 */
async function compare(
  group: readonly Comparison[],
  command: (name: PeerName) => readonly string[] | undefined,
  cores: Cores,
  plan: Plan,
  measured: Map<string, Measured>,
): Promise<ComparisonResult[]> {
  const cells = cellsOf(group);
  const servers: RunningServer[] = [];
  try {
    const measure: (() => Promise<Round>)[] = [];
    for (const cell of cells) {
      const server = await RunningServer.start(command(cell.server) ?? [], cores.server);
      servers.push(server);
      measure.push(await warmUp(cell, server, plan.pace));
    }
    const rounds = new Map(cells.map(({ name }) => [name, [] as Round[]]));
    for (let i = 0; i < plan.pairs; i++) {
      for (const [at, { name }] of cells.entries())
        rounds.get(name)?.push(await (measure[at] as () => Promise<Round>)());
    }
    for (const [at, cell] of cells.entries()) {
      const { rounds: known } = await measuredOf(cell, servers[at] as RunningServer, plan, measured);
      known.push(...(rounds.get(cell.name) ?? []));
    }
    const cpu = (name: string) => (rounds.get(name) ?? []).map(({ cpuMicroseconds }) => cpuMicroseconds);
    return group.map(({ name, pair: [a, b], ...limits }) => {
      const others = cpu(b.name);
      const ratio = estimate(cpu(a.name).map((us, i) => us / (others[i] ?? Number.NaN)));
      return { name, a: a.name, b: b.name, ratio, ...limits };
    });
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function measuredOf(cell: Cell, { authority }: RunningServer, plan: Plan, measured: Map<string, Measured>) {
  const known = measured.get(cell.name);
  if (known !== undefined) return known;
  const once = hasLatency(cell) && {
    latencyMilliseconds: await loadAtRate(cell, authority, LATENCY_RATE, plan.latencySeconds),
    bytes: await countBytes(cell, authority),
  };
  const fresh: Measured = { cell, rounds: [], once: once || {} };
  measured.set(cell.name, fresh);
  return fresh;
}

function cellResult({ cell, rounds, once }: Measured): CellResult {
  const { load: _, wire, connections, streams, ...rest } = cell;
  const busy = rounds.filter((round) => round.busy >= BUSY);
  return {
    ...{ ...rest, wire: wire.name, shape: `${connections} x ${streams}` },
    cpuMicroseconds: estimate(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)),
    ...(busy.length > 0 && { callsPerSecond: estimate(busy.map(({ callsPerSecond }) => callsPerSecond)).median }),
    ...once,
  };
}

async function serving<T>(
  command: readonly string[] | undefined,
  cores: Cores,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const server = await RunningServer.start(command ?? [], cores.server);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Writes the results and their chart, and returns the path of the results. Git ignores the results of partial runs. */
function write(results: Results, whole: boolean): string {
  const folder = join(import.meta.dirname, "results");
  mkdirSync(folder, { recursive: true });
  const name = join(folder, `${results.date.slice(0, 16).replace(":", "")}${whole ? "" : "-partial"}`);
  writeFileSync(`${name}.json`, `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(`${name}.svg`, chart(results));
  return `${name}.json`;
}

// The default action of these signals would not run the exit handlers, which kill the servers.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
