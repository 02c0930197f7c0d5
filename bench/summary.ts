/**
 * Summarizes a run of the benchmark for the page: a few figures of this server, and the CPU time of several servers.
 * As a program, `tools/node.sh bench/summary.ts` writes the summary of the newest run again.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Benchmark, Figures, Row } from "../web/benchmark.ts";
import { powersOf10, protocolOf } from "./labels.ts";
import { newestResults } from "./newest.ts";
import type { CellResult, Results } from "./results.ts";

const GRPC = "gRPC proto over HTTP/2";
const JSON_1 = "Connect json over HTTP/1.1";
const JSON_2 = "Connect json over HTTP/2";
/** The rows of the page's chart, with 64 calls in flight: this server and widely used servers. */
const ROWS: readonly (readonly [server: string, wire: string])[] = [
  ["this server", GRPC],
  ["this server", JSON_2],
  ["this server", JSON_1],
  ["grpc-go", GRPC],
  ["tonic", GRPC],
  ["fastify", JSON_1],
  ["grpc-js", GRPC],
  ["connect-go", GRPC],
  ["grpcio", GRPC],
  ["connect-node", GRPC],
];

/**
 * Writes page.json, from which the page is built, beside the results of a whole run. `path` is that of the results.
 * Throws if a figure of this server is missing.
 */
export function writeSummary(path: string): void {
  writeFileSync(join(dirname(path), "page.json"), `${JSON.stringify(readSummary(path), undefined, 1)}\n`);
}

/** Returns the summary of these results. Throws if a figure of this server is missing. */
export function readSummary(path: string): Benchmark {
  return summarize(JSON.parse(readFileSync(path, "utf8")), basename(path).replace(/json$/, "svg"));
}

/**
 * Returns the run's figures. `chart` is the name of the run's chart. Leaves out a server that was absent in the run.
 * Throws if a figure of this server is missing.
 */
export function summarize({ date, machine, cells }: Results, chart: string): Benchmark {
  const rows = ROWS.flatMap(([server, wire]): Row[] => {
    const connections = wire.endsWith("HTTP/2") ? 4 : 64;
    const cell = cells.find(({ name }) => name === `${server}: ${wire}, ${connections} x ${64 / connections}`);
    if (cell === undefined) return [];
    const { median: cpuMicroseconds } = cell.cpuMicroseconds;
    return [{ server, protocol: protocolOf(cell), connections, isOwn: server === "this server", cpuMicroseconds }];
  });
  const times = rows.map(({ cpuMicroseconds }) => cpuMicroseconds);
  return {
    date: date.slice(0, 10),
    cpu: machine.cpu,
    os: machine.os.replace(/, .*/, ""),
    node: machine.node,
    grpc: figures(cells, `this server: ${GRPC}, 64 x 1`),
    json: figures(cells, `this server: ${JSON_1}, 64 x 1`),
    rows: rows.toSorted((a, b) => a.cpuMicroseconds - b.cpuMicroseconds),
    ticks: powersOf10(Math.min(...times), Math.max(...times)),
    chart,
  };
}

function figures(cells: readonly CellResult[], name: string): Figures {
  const cell = cells.find((each) => each.name === name);
  if (cell === undefined) throw new Error(`summarize the benchmark: the results have no "${name}"`);
  const { callsPerSecond, bytes } = cell;
  if (callsPerSecond === undefined)
    throw new Error(`summarize the benchmark: "${name}" has no calls per second, since the server's core was not busy`);
  return { callsPerSecond, requestBytes: Math.round(bytes.request), responseBytes: Math.round(bytes.answer) };
}

if (import.meta.main) writeSummary(newestResults());
