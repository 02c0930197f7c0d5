/** Runs the benchmark: compares servers in pairs of rounds, judges the limits, and writes the results. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cell, cell } from "./cells.ts";
import { chart } from "./chart.ts";
import { ghz, h2load, loadAtRate } from "./load.ts";
import { type Memory, measureMemory } from "./memory.ts";
import { PEERS, type PeerName } from "./peers.ts";
import { estimateMinutes, HELP, type Plan, readPlan } from "./plan.ts";
import { comparisonLine, report } from "./report.ts";
import { type CellResult, type ComparisonResult, describeMachine, type Results } from "./results.ts";
import { type Round, warmUp } from "./rounds.ts";
import { type Cores, divideCores, RunningServer } from "./server.ts";
import { measureStart, type Start } from "./start.ts";
import { type Estimate, estimate } from "./stats.ts";
import { writeSummary } from "./summary.ts";
import { Absent, output } from "./toolchain.ts";
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

async function main(): Promise<void> {
  const plan = planOrExit();
  if (plan === undefined) return console.log(HELP);
  if (plan.list) return console.log(plan.comparisons.map(({ name }) => name).join("\n"));
  const cores = divideCores();
  const { commands, versions, absent } = prepare(plan);
  const command = (name: PeerName): readonly string[] | undefined => commands.get(name);
  const comparisons = plan.comparisons.filter(({ pair }) => pair.every(isPresent));
  const memoryPeers = plan.memory.filter((name) => commands.has(name));
  function isPresent({ server, client }: Cell): boolean {
    return commands.has(server) && !(client in absent);
  }
  for (const [name, reason] of Object.entries(absent)) console.log(`left out: ${name}: ${reason}`);
  console.log(
    `${comparisons.length} comparisons of ${plan.pairs} pairs: about ${estimateMinutes({ ...plan, comparisons, memory: memoryPeers })} minutes`,
  );

  const measured = new Map<string, Measured>();
  const compared: ComparisonResult[] = [];
  for (const comparison of comparisons) {
    const ratio = await compare(comparison.pair, command, cores, plan, measured);
    const { name, pair, ...bar } = comparison;
    compared.push({ name, a: pair[0].name, b: pair[1].name, ratio, ...bar });
    console.log(`[${compared.length}/${comparisons.length}] ${comparisonLine(compared.at(-1) as ComparisonResult)}`);
  }
  const memory: Memory[] = [];
  for (const name of memoryPeers) {
    console.log(`memory: ${name}`);
    memory.push(await serving(command(name), cores, (server) => measureMemory(cell(name), server, plan.memoryCalls)));
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
  const path = write(results, plan.whole);
  console.log(`\n${report(results)}\n\nwritten to ${path}`);
  if (plan.whole) writeSummary(path);
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
 * Builds every server of the plan. In the result, `absent` has the reason why a server or ghz is left out. Throws
 * Absent if h2load is not installed.
 */
function prepare({ comparisons, memory }: Plan) {
  const commands = new Map<PeerName, readonly string[]>();
  const versions: Record<string, string> = {};
  const absent: Record<string, string> = {};
  const cells = comparisons.flatMap(({ pair }) => pair);
  const names = new Set([...memory, ...cells.map(({ server }) => server)]);
  for (const name of names) {
    console.log(`prepare ${name}`);
    unlessAbsent(absent, name, () => {
      commands.set(name, PEERS[name].command());
      versions[name] = PEERS[name].version();
    });
  }
  versions.h2load = output([h2load(), "--version"]).replace(/^.*\//, "");
  if (cells.some(({ client }) => client === "ghz")) {
    unlessAbsent(absent, "ghz", () => {
      versions.ghz = output([ghz(), "--version"]);
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
 * Measures rounds of the two cells alternately, each on its own server. Adds the rounds to `measured`. Returns the
 * ratio of CPU time per call.
 */
async function compare(
  pair: readonly [Cell, Cell],
  command: (name: PeerName) => readonly string[] | undefined,
  cores: Cores,
  plan: Plan,
  measured: Map<string, Measured>,
): Promise<Estimate> {
  const [cellA, cellB] = pair;
  return serving(command(cellA.server), cores, (serverA) =>
    serving(command(cellB.server), cores, async (serverB) => {
      const roundA = await warmUp(cellA, serverA, plan.pace);
      const roundB = await warmUp(cellB, serverB, plan.pace);
      const rounds: [Round, Round][] = [];
      for (let i = 0; i < plan.pairs; i++) rounds.push([await roundA(), await roundB()]);
      (await measuredOf(cellA, serverA, plan, measured)).rounds.push(...rounds.map(([a]) => a));
      (await measuredOf(cellB, serverB, plan, measured)).rounds.push(...rounds.map(([, b]) => b));
      return estimate(rounds.map(([a, b]) => a.cpuMicroseconds / b.cpuMicroseconds));
    }),
  );
}

async function measuredOf(cell: Cell, { authority }: RunningServer, plan: Plan, measured: Map<string, Measured>) {
  const known = measured.get(cell.name);
  if (known !== undefined) return known;
  const latencyMilliseconds = await loadAtRate(cell, authority, LATENCY_RATE, plan.latencySeconds);
  const fresh: Measured = { cell, rounds: [], once: { latencyMilliseconds, bytes: await countBytes(cell, authority) } };
  measured.set(cell.name, fresh);
  return fresh;
}

function cellResult({ cell, rounds, once }: Measured): CellResult {
  const { name, server, wire, connections, streams, client, deadline } = cell;
  const busy = rounds.filter((round) => round.busy >= BUSY);
  return {
    ...{ name, server, wire: wire.name, shape: `${connections} x ${streams}`, client, deadline },
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
  () => process.exit(),
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
