/** Loads a server with the load generator of bench/peers/go/load, which is built with Go. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Cell } from "./cells.ts";
import { PATH } from "./servers/add.ts";
import { buildGo } from "./toolchain.ts";

/** The result of a load whose calls all succeeded. */
export interface LoadResult {
  readonly calls: number;
  /** Messages in the direction that has more. */
  readonly messages: number;
  /** Time from the first connection to the last response. */
  readonly seconds: number;
}

/** Quantiles in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** Makes `calls` calls as fast as the server responds. Rejects if a call fails. */
export async function load(cell: Cell, authority: string, calls: number): Promise<LoadResult> {
  const output = await run(cell, "-n", String(calls), "-client", cell.client, ...loadArgs(cell), authority);
  return parseLoad(output, calls);
}

/** Measures the latency at `rate` calls per second for `seconds`, after a second of warm-up. Rejects if a call fails. */
export async function loadAtRate(cell: Cell, authority: string, rate: number, seconds: number): Promise<Latency> {
  const calls = rate * (seconds + 1);
  const output = await run(cell, "-n", String(calls), "-rate", String(rate), ...loadArgs(cell), authority);
  parseLoad(output, calls);
  const { p50, p99 } = JSON.parse(output);
  return { p50, p99 };
}

/**
 * Builds the load generator with a client, and returns its path. Throws Absent if Go is not installed, or if the build
 * fails. The client of grpc-go takes minutes to build for the first time.
 */
export function loadGenerator(client: Cell["client"]): string {
  return client === "raw" ? buildGo("load", { generate: false }) : buildGo("load", { tags: "grpcgo" });
}

function loadArgs({ method, wire, tls, connections, streams, messages, size, heads }: Cell): string[] {
  const protocol = wire.protocol === "Connect" && wire.codec === "json" ? "connect-json" : wire.protocol.toLowerCase();
  return [
    ...["-shape", method === "Add" || method === "Echo" ? "unary" : method.toLowerCase(), "-protocol", protocol],
    ...["-http", wire.http === "HTTP/2" ? "2" : "1", `-tls=${tls}`, "-heads", heads],
    ...["-c", String(connections), "-m", String(streams), "-messages", String(messages), "-size", String(size)],
    ...(method === "Add" ? ["-path", PATH] : []),
  ];
}

/** Parses the line that the load generator prints. Throws if it counted other calls than `calls`. */
export function parseLoad(output: string, calls: number): LoadResult {
  const { calls: counted, messages, seconds } = JSON.parse(output);
  if (counted !== calls) throw new Error(`load: ${counted} of ${calls} calls succeeded`);
  return { calls, messages, seconds };
}

async function run({ client }: Cell, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(loadGenerator(client), args, { timeout: 300_000 });
  return stdout;
}
