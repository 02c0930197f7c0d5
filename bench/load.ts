/** Loads a server with h2load or ghz, and parses their output. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeRequest } from "../test/support/cells.ts";
import { type Cell, REQUEST, responseBytes } from "./cells.ts";
import { PATH } from "./servers/add.ts";
import { quantile } from "./stats.ts";
import { BUILT_TOOLS, find, output } from "./toolchain.ts";

const CONTRACT = join(import.meta.dirname, "../test/proto/calls/v1/calls.proto");

/** The result of a load whose calls all succeeded. */
export interface Load {
  readonly calls: number;
  /** Time from the first connection to the last response. */
  readonly seconds: number;
}

/** Quantiles in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** Makes `calls` calls as fast as the server responds. Rejects if a call fails. */
export async function load(cell: Cell, authority: string, calls: number): Promise<Load> {
  if (cell.client === "ghz") return parseGhz(await run(ghz(), ...ghzArgs(cell, calls), authority), calls);
  return withFiles(async (folder) => {
    const text = await run(h2load(), "-n", String(calls), ...h2loadArgs(cell, authority, folder));
    return parseH2load(text, responseBytes(cell.wire), calls);
  });
}

/**
 * Measures the latency at `rate` calls per second for `seconds`, after a second of warm-up. Rejects if a call fails.
 */
export async function loadAtRate(cell: Cell, authority: string, rate: number, seconds: number): Promise<Latency> {
  const calls = rate * (seconds + 1);
  if (cell.client === "ghz") {
    const args = [...ghzArgs(cell, calls), "--rps", String(rate), authority];
    const text = await run(ghz(), ...args);
    parseGhz(text, calls);
    return parseGhzLatency(text);
  }
  return withFiles(async (folder) => {
    const log = join(folder, "log");
    // Opens the connections one by one. Otherwise all of them would call at the same time.
    const spread = ["-r", "1", `--rate-period=${Math.round(1000 / rate)}ms`, `--rps=${rate / cell.connections}`];
    const args = [...spread, "-n", String(calls), `--log-file=${log}`, ...h2loadArgs(cell, authority, folder)];
    parseH2load(await run(h2load(), ...args), responseBytes(cell.wire), calls);
    return parseLog(readFileSync(log, "utf8"));
  });
}

/** Returns the path of h2load. Throws Absent if it is not installed. */
export function h2load(): string {
  return find("h2load", "on Debian: apt-get install nghttp2-client");
}

/**
 * Returns the path of ghz. Builds it with Go if it is not installed. Throws Absent if Go is not installed or the build
 * fails.
 */
export function ghz(): string {
  try {
    return find("ghz", "");
  } catch {
    const go = find("go", "install Go, or ghz");
    output([go, "install", "github.com/bojand/ghz/cmd/ghz@v0.93.0"], undefined, { GOBIN: BUILT_TOOLS });
    return find("ghz", "");
  }
}

function h2loadArgs(cell: Cell, authority: string, folder: string): string[] {
  const { wire, connections, streams, deadline } = cell;
  const timeout = deadline ? (wire.protocol.startsWith("gRPC") ? "5S" : "5000") : undefined;
  const { path, headers = {}, body } = makeRequest(wire, { path: PATH, message: REQUEST[wire.codec], timeout });
  const data = join(folder, "request");
  writeFileSync(data, (body ?? "") as Uint8Array);
  return [
    ...(wire.http === "HTTP/1.1" ? ["--h1"] : []),
    ...["-c", String(connections), "-m", String(streams)],
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    ...(body === undefined ? [] : ["-d", data]),
    `http://${authority}${path}`,
  ];
}

function ghzArgs({ connections, streams, deadline }: Cell, calls: number): string[] {
  return [
    ...[
      "--insecure",
      "--proto",
      CONTRACT,
      "--call",
      "calls.v1.CallService.Add",
      "-d",
      REQUEST.json.toString(),
      "-O",
      "json",
    ],
    ...["--connections", String(connections), "-c", String(connections * streams), "-n", String(calls)],
    ...(deadline ? ["--timeout", "5s"] : []),
  ];
}

/**
 * Parses the output of h2load. Throws if a response is missing or has a status other than 2xx. Throws also if the mean
 * body length is not `bytesPerResponse`; if that is undefined, any positive integer is correct.
 */
export function parseH2load(text: string, bytesPerResponse: number | undefined, calls: number): Load {
  const [, amount = "", unit = ""] = /finished in ([\d.]+)(us|ms|s|m)\b/.exec(text) ?? [];
  const [, done, succeeded] = numbers(/total, \d+ started, (\d+) done, (\d+) succeeded/.exec(text));
  const [, good] = numbers(/status codes: (\d+) 2xx/.exec(text));
  const [, data] = numbers(/\((\d+)\) data/.exec(text));
  if (amount === "" || done === undefined || data === undefined)
    throw new Error(`read h2load's output: ${text.trim()}`);
  if (done !== calls || succeeded !== done || good !== done) {
    throw new Error(`load with h2load: ${good} of ${calls} calls succeeded: ${text.trim()}`);
  }
  const each = data / done;
  if (each === 0 || each !== (bytesPerResponse ?? Math.floor(each))) {
    throw new Error(`load with h2load: a response body has ${each} bytes, not ${bytesPerResponse ?? "the same each"}`);
  }
  return { calls: done, seconds: Number(amount) * ({ us: 1e-6, ms: 1e-3, m: 60 }[unit] ?? 1) };
}

/**
 * Parses the log of h2load. Each call has a line with start, status and duration; times are in microseconds. Leaves out
 * the calls that start in the first second.
 */
export function parseLog(text: string): Latency {
  const calls = text
    .trim()
    .split("\n")
    .map((line) => line.split("\t").map(Number)) as [number, number, number][];
  const first = Math.min(...calls.map(([start]) => start));
  return latencyOf(calls.filter(([start]) => start >= first + 1_000_000).map(([, , time]) => time / 1000));
}

/** Parses the JSON of ghz. Throws if a response is missing or not OK. */
export function parseGhz(text: string, calls: number): Load {
  const { total, statusCodeDistribution } = JSON.parse(text);
  const { OK: good = 0 } = statusCodeDistribution;
  if (good !== calls) throw new Error(`load with ghz: ${good} of ${calls} calls succeeded`);
  return { calls, seconds: total / 1e9 };
}

/** Parses the latency in the JSON of ghz. Leaves out the calls that start in the first second. */
export function parseGhzLatency(text: string): Latency {
  const { details }: { details: { timestamp: string; latency: number }[] } = JSON.parse(text);
  const calls = details.map(({ timestamp, latency }) => ({ start: Date.parse(timestamp), latency }));
  const first = Math.min(...calls.map(({ start }) => start));
  return latencyOf(calls.filter(({ start }) => start >= first + 1000).map(({ latency }) => latency / 1e6));
}

function latencyOf(milliseconds: number[]): Latency {
  const sorted = milliseconds.sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

function numbers(match: RegExpExecArray | null): (number | undefined)[] {
  return match?.map(Number) ?? [];
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 2 ** 30, timeout: 300_000 });
  return stdout;
}

async function withFiles<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
