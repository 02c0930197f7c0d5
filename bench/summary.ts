/**
 * Summarizes a run of the benchmark for the page: a few figures of this server, and the CPU time of several servers.
 * As a program, `tools/node.sh bench/summary.ts` writes the summary of the newest run again, and the README's figures.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Benchmark, Figures, Row } from "../web/benchmark.ts";
import { replaceFigures } from "./figures.ts";
import { findAdd, headlineHeads, powersOf10, protocolOf } from "./labels.ts";
import { newestResults } from "./newest.ts";
import { type CellResult, type Results, readResults } from "./results.ts";

const GRPC = "gRPC proto over HTTP/2";
const JSON_1 = "Connect json over HTTP/1.1";
const JSON_2 = "Connect json over HTTP/2";
/** The rows of the page's chart, with 64 calls at once: this server and widely used servers. */
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
const README = join(import.meta.dirname, "../README.md");

/**
 * Writes page.json, from which the page is built, beside the results of a whole run, and the figures of the README.
 * `path` is that of the results. Throws if a figure of this server is missing.
 */
export function writeSummary(path: string): void {
  writeFileSync(join(dirname(path), "page.json"), `${JSON.stringify(readSummary(path), undefined, 1)}\n`);
  if (!existsSync(README)) return;
  const text = readFileSync(README, "utf8");
  writeFileSync(README, replaceFigures(text, readResults(path)) ?? text);
}

/** Returns the summary of these results. Throws if a figure of this server is missing. */
export function readSummary(path: string): Benchmark {
  return summarize(readResults(path), basename(path).replace(/json$/, "svg"));
}

/**
 * Returns the run's figures. `chart` is the name of the run's chart. Leaves out a server that was absent in the run.
 * Throws if a figure of this server is missing.
 */
export function summarize({ date, machine, cells, versions }: Results, chart: string): Benchmark {
  const heads = headlineHeads(cells);
  const row = (server: string, wire: string, heads: "trace" | "equal"): Row[] => {
    const [connections, streams] = wire.endsWith("HTTP/2") ? [4, 16] : [64, 1];
    const cell = findAdd(cells, server, wire, `${connections} x ${streams}`, heads);
    if (cell === undefined) return [];
    const { median: cpuMicroseconds } = cell.cpuMicroseconds;
    const isOwn = server === "this server";
    const version = isOwn ? "" : (versions[server] ?? "");
    return [{ server, version, protocol: protocolOf(cell), heads, connections, streams, isOwn, cpuMicroseconds }];
  };
  const rows = ROWS.flatMap(([server, wire]) => row(server, wire, heads));
  // Equal heads are what simple load generators send. One row shows the difference.
  if (heads === "trace") rows.push(...row("this server", GRPC, "equal"));
  const times = rows.map(({ cpuMicroseconds }) => cpuMicroseconds);
  return {
    date: date.slice(0, 10),
    cpu: machine.cpu,
    os: machine.os.replace(/, .*/, ""),
    node: machine.node,
    heads,
    grpc: figures(cells, GRPC, heads),
    json: figures(cells, JSON_1, heads),
    rows: rows.toSorted((a, b) => a.cpuMicroseconds - b.cpuMicroseconds),
    ticks: powersOf10(Math.min(...times), Math.max(...times)),
    chart,
  };
}

/** Returns the figures of this server on 64 connections with one call at once on each. */
function figures(cells: readonly CellResult[], wire: string, heads: "trace" | "equal"): Figures {
  const cell = findAdd(cells, "this server", wire, "64 x 1", heads);
  if (cell?.bytes === undefined)
    throw new Error(`summarize the benchmark: the results have no bytes of this server's ${wire}, 64 x 1, ${heads}`);
  const { cpuMicroseconds, bytes } = cell;
  return {
    cpuMicroseconds: cpuMicroseconds.median,
    requestBytes: Math.round(bytes.request),
    responseBytes: Math.round(bytes.answer),
  };
}

if (import.meta.main) writeSummary(newestResults());
