/** Tests the benchmark: medians and intervals, the output of h2load and ghz, limits, and the chart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallService } from "../../test/gen/calls/v1/calls_pb.ts";
import { startServer } from "../../test/support/server.ts";
import { cell as cellOf, type ProtocolName } from "../cells.ts";
import { chart } from "../chart.ts";
import { createCheck } from "../check.ts";
import { COMPARISONS } from "../comparisons.ts";
import { parseGhz, parseGhzLatency, parseH2load, parseLog } from "../load.ts";
import { estimateMinutes, readPlan } from "../plan.ts";
import { report } from "../report.ts";
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

const h2load = ({ finished = "146.41ms", succeeded = 2000, good = 2000, data = 14000 } = {}) => `
finished in ${finished}, 13660.36 req/s, 509.38KB/s
requests: 2000 total, 2000 started, 2000 done, ${succeeded} succeeded, ${2000 - succeeded} failed, 0 errored, 0 timeout
status codes: ${good} 2xx, 0 3xx, 0 4xx, ${2000 - good} 5xx
traffic: 74.58KB (76368) total, 6.11KB (6252) headers (space savings 95.94%), 13.67KB (${data}) data
`;

test("h2load's time is read in each of its units", () => {
  for (const [finished, seconds] of [
    ["900us", 900e-6],
    ["146.41ms", 0.14641],
    ["2.00s", 2],
  ] as const) {
    assert.deepEqual(parseH2load(h2load({ finished }), 7, 2000), { calls: 2000, seconds });
  }
});

test("a response that h2load misses, or that has another status or length, fails the run", () => {
  assert.throws(() => parseH2load(h2load(), 7, 3000), /2000 of 3000 calls succeeded/);
  assert.throws(() => parseH2load(h2load({ succeeded: 1999 }), 7, 2000), /of 2000 calls succeeded/);
  assert.throws(() => parseH2load(h2load({ good: 1999 }), 7, 2000), /1999 of 2000 calls succeeded/);
  assert.throws(() => parseH2load(h2load({ data: 13993 }), 7, 2000), /bytes, not 7/);
  assert.throws(() => parseH2load(h2load({ data: 13993 }), undefined, 2000), /not the same each/);
  assert.throws(() => parseH2load(h2load({ data: 0 }), undefined, 2000), /has 0 bytes/);
  assert.throws(() => parseH2load("unrecognized option", 7, 2000), /read h2load's output: unrecognized option/);
});

test("latency counts the calls that start after the first second", () => {
  const late = Array.from({ length: 101 }, (_, i) => `${2_000_000 + i}\t200\t${i * 1000}`);
  assert.deepEqual(parseLog(`${["1000000\t200\t900000", ...late].join("\n")}\n`), { p50: 50, p99: 99 });
});

test("the report of ghz is parsed, and a response other than OK fails the run", () => {
  const details = [
    { timestamp: "2026-01-01T00:00:00.1Z", latency: 9e9 },
    { timestamp: "2026-01-01T00:00:01.2Z", latency: 2e6 },
  ];
  const text = JSON.stringify({ total: 5e8, statusCodeDistribution: { OK: 2 }, details });
  assert.deepEqual(parseGhz(text, 2), { calls: 2, seconds: 0.5 });
  assert.deepEqual(parseGhzLatency(text), { p50: 2, p99: 2 });
  assert.throws(() => parseGhz(text, 3), /2 of 3 calls succeeded/);
});

test("a run of everything takes under 40 minutes", () => {
  const plan = readPlan([]);
  assert.ok(plan?.whole && Number(estimateMinutes(plan)) < 40);
});

test("--only selects by name, and a part is never taken for the whole", () => {
  const plan = readPlan(["--only", "tonic.*4 x 16$", "--pairs", "20"]);
  assert.deepEqual(
    plan?.comparisons.map(({ name }) => name),
    ["this server / tonic: gRPC proto over HTTP/2, 4 x 16"],
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

test("the response that each round decodes is checked in every protocol that is measured", async (t) => {
  const { authority } = await startServer(t);
  const cells = new Map(
    COMPARISONS.map(({ pair: [{ wire }] }) => [
      wire.name as ProtocolName,
      cellOf("this server", wire.name as ProtocolName),
    ]),
  );
  assert.equal(cells.size, 14);
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
  name: `${server}, ${shape}`,
  server,
  wire: "gRPC proto over HTTP/2",
  shape,
  client: "h2load",
  deadline: false,
  cpuMicroseconds: { median: us, low: us * 0.9, high: us * 1.1, n: 15 },
  latencyMilliseconds: { p50: 0.1, p99: 1 },
  bytes: { request: 51, answer: 38 },
});
const RESULTS: Results = {
  date: "2026-01-02T03:04:05.678Z",
  machine: { cpu: "A <CPU> & more", cores: 2, os: "Linux", node: "v26.0.0" },
  versions: {},
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

test("the chart has a dot for each cell of the default shape, the cheapest first, and escapes < and &", () => {
  const svg = chart(RESULTS);
  const labels = [...svg.matchAll(/text-anchor="end">(.*)</g)].map(([, label]) => label);
  assert.deepEqual(labels, [
    "this server: gRPC proto over HTTP/2, 4 connections",
    "grpc-go: gRPC proto over HTTP/2, 4 connections",
  ]);
  const dots = [...svg.matchAll(/<circle .* cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  assert.ok((dots[0] ?? 0) > 0 && (dots[0] ?? 0) < (dots[1] ?? 0), String(dots));
  assert.match(svg, /A &lt;CPU> &amp; more/);
  assert.match(svg, /prefers-color-scheme: dark/);
});

test("a chart of one cell or none has no invalid number", () => {
  for (const cells of [[cell("grpc-go", 20)], []]) assert.doesNotMatch(chart({ ...RESULTS, cells }), /NaN|Infinity/);
});
