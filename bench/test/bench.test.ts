/** Tests the benchmark: medians and intervals, its plan, limits, and the chart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallService } from "../../test/gen/calls/v1/calls_pb.ts";
import { startServer } from "../../test/support/server.ts";
import { cell as cellOf, DEFAULTS, type ProtocolName } from "../cells.ts";
import { chart } from "../chart.ts";
import { createCheck } from "../check.ts";
import { COMPARISONS, cellsOf, groups } from "../comparisons.ts";
import { estimateMinutes, readPlan } from "../plan.ts";
import { missed, report } from "../report.ts";
import { type CellResult, judge, type Results } from "../results.ts";
import { estimate, quantile } from "../stats.ts";

test("the median of an even number of values lies between the middle two", () => {
  assert.equal(estimate([4, 1, 3, 2]).median, 2.5);
});

test("of 15 values the interval leaves out three at each end, of five none", () => {
  const values = Array.from({ length: 15 }, (_, i) => 15 - i);
  assert.deepEqual(estimate(values), { median: 8, low: 4, high: 12, n: 15 });
  assert.deepEqual(estimate([5, 4, 3, 2, 1]), { median: 3, low: 1, high: 5, n: 5 });
});

test("a quantile lies between its neighbours in proportion", () => {
  assert.equal(quantile([0, 10], 0.99), 9.9);
  assert.equal(quantile([7], 0.99), 7);
});

test("an estimate needs a value", () => {
  assert.throws(() => estimate([]), /it does not exist/);
});

test("a run of everything takes at most 35 minutes", () => {
  const plan = readPlan([]);
  assert.ok(plan?.whole && Number(estimateMinutes(plan)) <= 35, plan ? estimateMinutes(plan) : "");
});

test("--only selects by name, and a part is never taken for the whole", () => {
  const plan = readPlan(["--only", "tonic.*equal heads, 4 x 16$", "--pairs", "20"]);
  assert.deepEqual(
    plan?.comparisons.map(({ name }) => name),
    ["this server / tonic: gRPC proto over HTTP/2, Add, equal heads, 4 x 16"],
  );
  assert.deepEqual([plan?.pairs, plan?.whole, plan?.start, plan?.memory], [20, false, false, []]);
  assert.throws(() => readPlan(["--pairs", "0"]), /^Error: read --pairs "0": a whole number from 1 is expected$/);
});

test("all comparisons and all cells have different names", () => {
  const names = COMPARISONS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const cells = Map.groupBy(
    COMPARISONS.flatMap(({ pair }) => pair),
    ({ name }) => name,
  );
  for (const [name, [first, ...rest]] of cells) for (const cell of rest) assert.deepEqual(cell, first, name);
});

test("comparisons that share a cell are measured in one group, each cell once a round", () => {
  const sizes = groups(COMPARISONS).map((group) => cellsOf(group).length);
  assert.equal(groups(COMPARISONS).flat().length, COMPARISONS.length);
  for (const group of groups(COMPARISONS)) {
    const cells = cellsOf(group);
    assert.equal(new Set(cells.map(({ name }) => name)).size, cells.length);
    assert.ok(cells.length <= group.length + 1, group[0]?.name ?? "");
  }
  assert.ok(sizes.every((size) => size >= 2));
});

test("every limit compares this server", () => {
  for (const { name, limit, pair } of COMPARISONS) {
    if (limit !== undefined) assert.ok(pair[0].server.startsWith("this server"), name);
  }
});

test("the response that each round decodes is checked in every protocol that is measured", async (t) => {
  const { authority } = await startServer(t);
  const cells = new Map(
    COMPARISONS.map(({ pair: [{ wire }] }) => [
      wire.name as ProtocolName,
      cellOf("this server", wire.name as ProtocolName),
    ]),
  );
  assert.ok(cells.size >= 5);
  for (const cell of cells.values()) await createCheck(cell, authority)();
});

test("a wrong sum is rejected", async (t) => {
  const { authority } = await startServer(t, {
    routes: (router) => router.service(CallService, { add: ({ a, b }) => ({ sum: a - b }) }),
  });
  await assert.rejects(createCheck(cellOf("this server"), authority)(), /1 \+ 1000 came as -999/);
});

const ratio = (median: number) => ({ median, low: median, high: median, n: 15 });
const cell = (server: string, us: number, shape = "4 x 16"): CellResult => ({
  ...DEFAULTS,
  name: `${server}, ${shape}`,
  server,
  wire: "gRPC proto over HTTP/2",
  shape,
  cpuMicroseconds: { median: us, low: us * 0.9, high: us * 1.1, n: 15 },
  latencyMilliseconds: { p50: 0.1, p99: 1 },
  bytes: { request: 51, answer: 38 },
});
const RESULTS: Results = {
  date: "2026-01-02T03:04:05.678Z",
  machine: { cpu: "A <CPU> & more", cores: 2, os: "Linux", node: "v26.0.0" },
  versions: { "grpc-go": "v1.2.3", "this server": "0.1.0" },
  absent: { tonic: "cargo is not on PATH; install Rust" },
  pairs: 15,
  latencyRate: 1000,
  cells: [cell("grpc-go", 20), cell("this server", 4), cell("this server", 9, "64 x 1")],
  comparisons: [
    { name: "met", a: "a", b: "b", ratio: ratio(0.4), limit: 0.4 },
    { name: "missed", a: "a", b: "b", ratio: ratio(0.41), limit: 0.4 },
    { name: "wished", a: "a", b: "b", ratio: ratio(2), goal: 1.5 },
    { name: "no limit", a: "a", b: "b", ratio: ratio(2) },
  ],
  memory: [{ server: "this server", idle: 1, perIdleConnection: 1, warmed: 100, after: 106, calls: 1_000_000 }],
};

test("a ratio may equal its limit, goals are told apart, and values that were not measured have no verdict", () => {
  assert.deepEqual(
    judge(RESULTS).map(({ name, met, goal }) => [name, met, goal]),
    [
      ["met", true, false],
      ["missed", false, false],
      ["wished", false, true],
      ["resident memory after 1000000 calls / warm", false, false],
    ],
  );
});

test("the report has each cell, each limit and the servers that were left out", () => {
  const text = report(RESULTS);
  assert.match(text, /^ +4 +- +0\.1 +1 +51 +38 {2}this server, 4 x 16$/m);
  assert.match(text, /^ *not met +0\.41 +0\.4 {2}missed$/m);
  assert.match(text, /^ *short of goal +2 +1\.5 {2}wished$/m);
  assert.match(text, /^tonic: cargo is not on PATH; install Rust$/m);
});

test("limits that are missed are listed, goals are not", () => {
  assert.equal(
    missed(RESULTS),
    "2 limits are missed:\n  0.41, limit 0.4: missed\n  1.06, limit 1.05: resident memory after 1000000 calls / warm",
  );
  assert.equal(missed({ ...RESULTS, comparisons: RESULTS.comparisons.slice(2), memory: [] }), "");
});

test("the chart has a dot for each cell of the default shape, the cheapest first, and escapes < and &", () => {
  const svg = chart(RESULTS);
  const labels = [...svg.matchAll(/text-anchor="end">(.*)</g)].map(([, label]) => label);
  assert.deepEqual(labels, [
    "this server: gRPC proto over HTTP/2, equal heads, 4 x 16",
    "grpc-go v1.2.3: gRPC proto over HTTP/2, equal heads, 4 x 16",
  ]);
  const dots = [...svg.matchAll(/<circle .* cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  assert.ok((dots[0] ?? 0) > 0 && (dots[0] ?? 0) < (dots[1] ?? 0), String(dots));
  assert.match(svg, /A &lt;CPU> &amp; more/);
  assert.match(svg, /prefers-color-scheme: dark/);
});

test("a chart of one cell or none has no invalid number", () => {
  for (const cells of [[cell("grpc-go", 20)], [cell("grpc-go", 0)], []])
    assert.doesNotMatch(chart({ ...RESULTS, cells }), /NaN|Infinity/);
});
