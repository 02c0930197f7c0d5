/**
 * The figures of the benchmark in docs/scale.md and docs/deploy.md are those of the newest run. As with the README's figures, a
 * new service need not have them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BENCHMARK } from "../../docs/scale/assumptions.ts";
import { ROOT } from "../../test/support/command.ts";
import { newestResults } from "../newest.ts";
import { type CellResult, readResults } from "../results.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const skip = !README.includes("](bench/results)") && "the README has no figures of the benchmark";

const GRPC = "this server: gRPC proto over HTTP/2, Add, heads that differ";
/** The cells of the table in docs/deploy.md, by the names of its rows. */
const CAPACITY: Readonly<Record<string, string>> = {
  "4 connections with 16 calls at once on each": `${GRPC}, 4 x 16`,
  "the same over TLS": "this server, TLS: gRPC proto over HTTP/2 and TLS, Add, heads that differ, 4 x 16",
  "64 connections with one call at once": `${GRPC}, 64 x 1`,
  "100 connections with one call at once": `${GRPC}, 100 x 1`,
  "Connect with JSON over HTTP/1.1, 64 connections":
    "this server: Connect json over HTTP/1.1, Add, heads that differ, 64 x 1",
  "messages of 10 KB, 4 connections with 4 calls at once":
    "this server: gRPC proto over HTTP/2, Echo of 10240 B, equal heads, 4 x 4",
};

function newest() {
  const results = readResults(newestResults());
  const cell = (name: string): CellResult => {
    const found = results.cells.find((each) => each.name === name);
    assert.ok(found, name);
    return found;
  };
  const memory = results.memory.find(({ server }) => server === "this server");
  assert.ok(memory);
  return { date: results.date.slice(0, 10), cell, memory };
}

test("docs/scale/assumptions.ts has the figures of the newest run", { skip }, () => {
  const { date, cell, memory } = newest();
  assert.equal(BENCHMARK.date, date);
  for (const [shape, expected] of Object.entries(BENCHMARK.callMicroseconds)) {
    assert.equal(expected, Number(cell(`${GRPC}, ${shape}`).cpuMicroseconds.median.toPrecision(3)), shape);
  }
  assert.equal(BENCHMARK.connectionBytes, Math.round(memory.perIdleConnection));
});

test("docs/deploy.md plans capacity with the figures of the newest run", { skip }, () => {
  const { date, cell, memory } = newest();
  const text = readFileSync(join(ROOT, "docs/deploy.md"), "utf8");
  for (const [row, name] of Object.entries(CAPACITY)) {
    const { cpuMicroseconds, callsPerSecond = Number.NaN, latencyMilliseconds } = cell(name);
    const calls = Number(callsPerSecond.toPrecision(3)).toLocaleString("en");
    const latency = latencyMilliseconds?.p99.toFixed(3) ?? "-";
    const expected = [row, cpuMicroseconds.median.toPrecision(3), calls, latency];
    const line = text.split("\n").find((each) => each.startsWith(`| ${row} `));
    assert.deepEqual(
      line
        ?.split("|")
        .slice(1, -1)
        .map((each) => each.trim()),
      expected,
    );
  }
  assert.ok(text.includes(`newest run (${date}`), date);
  const served = ((memory.calls * 1.1) / 1e6).toFixed(1);
  const megabytes = (memory.after / 2 ** 20).toFixed(0);
  const kilobytes = (memory.perIdleConnection / 1024).toFixed(1);
  const prose = text.replaceAll(/\s+/g, " ");
  assert.ok(prose.includes(`${served} million calls uses ${megabytes} MiB`), megabytes);
  assert.ok(prose.includes(`a connection without calls ${kilobytes} KiB more`), kilobytes);
});
