/** Load on a server: what h2load and ghz are told, and what they say of the answers. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeRequest } from "../test/support/cells.ts";
import { type Cell, REQUEST, responseBytes } from "./cells.ts";
import { PATH } from "./servers/get-sum.ts";
import { quantile } from "./stats.ts";
import { BUILT_TOOLS, find, output } from "./toolchain.ts";

const CONTRACT = join(import.meta.dirname, "../proto/service.proto");

/** All answers were good. */
export interface Load {
  readonly calls: number;
  /** From the first connection to the last answer. */
  readonly seconds: number;
}

/** In milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** Makes that many calls as fast as they are answered. Rejects where one was not answered well. */
export async function load(cell: Cell, authority: string, calls: number): Promise<Load> {
  if (cell.client === "ghz") return parseGhz(await run(ghz(), ...ghzArgs(cell, calls), authority), calls);
  return withFiles(async (folder) => {
    const text = await run(h2load(), "-n", String(calls), ...h2loadArgs(cell, authority, folder));
    return parseH2load(text, responseBytes(cell.wire), calls);
  });
}

/** Makes calls for so many seconds at a fixed rate per second, after one second that does not count. */
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
    // Connections opened one by one, or all would call at the same moments.
    const spread = ["-r", "1", `--rate-period=${Math.round(1000 / rate)}ms`, `--rps=${rate / cell.connections}`];
    const args = [...spread, "-n", String(calls), `--log-file=${log}`, ...h2loadArgs(cell, authority, folder)];
    parseH2load(await run(h2load(), ...args), responseBytes(cell.wire), calls);
    return parseLog(readFileSync(log, "utf8"));
  });
}

/** The path of h2load. */
export function h2load(): string {
  return find("h2load", "on Debian: apt-get install nghttp2-client");
}

/** The path of ghz, which is built where there is only Go. */
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
    ...["--insecure", "--proto", CONTRACT, "--call", "test.Test.GetSum", "-d", REQUEST.json.toString(), "-O", "json"],
    ...["--connections", String(connections), "-c", String(connections * streams), "-n", String(calls)],
    ...(deadline ? ["--timeout", "5s"] : []),
  ];
}

/** What h2load printed. Throws where an answer was missing, no 2xx, or of another length. */
export function parseH2load(text: string, bytesPerResponse: number | undefined, calls: number): Load {
  const [, amount = "", unit = ""] = /finished in ([\d.]+)(us|ms|s|m)\b/.exec(text) ?? [];
  const [, done, succeeded] = numbers(/total, \d+ started, (\d+) done, (\d+) succeeded/.exec(text));
  const [, good] = numbers(/status codes: (\d+) 2xx/.exec(text));
  const [, data] = numbers(/\((\d+)\) data/.exec(text));
  if (amount === "" || done === undefined || data === undefined)
    throw new Error(`read h2load's output: ${text.trim()}`);
  if (done !== calls || succeeded !== done || good !== done) {
    throw new Error(`load with h2load: ${good} of ${calls} answers were good: ${text.trim()}`);
  }
  const each = data / done;
  if (each === 0 || each !== (bytesPerResponse ?? Math.floor(each))) {
    throw new Error(`load with h2load: an answer's body has ${each} bytes, not ${bytesPerResponse ?? "the same each"}`);
  }
  return { calls: done, seconds: Number(amount) * ({ us: 1e-6, ms: 1e-3, m: 60 }[unit] ?? 1) };
}

/** The log of h2load: start and microseconds of each call, without those that start in the first second. */
export function parseLog(text: string): Latency {
  const calls = text
    .trim()
    .split("\n")
    .map((line) => line.split("\t").map(Number)) as [number, number, number][];
  const first = Math.min(...calls.map(([start]) => start));
  return latencyOf(calls.filter(([start]) => start >= first + 1_000_000).map(([, , time]) => time / 1000));
}

/** What ghz printed as JSON. Throws where an answer was missing or not OK. */
export function parseGhz(text: string, calls: number): Load {
  const { total, statusCodeDistribution } = JSON.parse(text);
  const { OK: good = 0 } = statusCodeDistribution;
  if (good !== calls) throw new Error(`load with ghz: ${good} of ${calls} answers were good`);
  return { calls, seconds: total / 1e9 };
}

/** The latency in what ghz printed as JSON, without the calls that start in the first second. */
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
