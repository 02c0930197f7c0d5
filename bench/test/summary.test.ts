/** Tests the summary of the benchmark on the page: the figures of the newest whole run, without absent servers. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { findAdd, headlineHeads } from "../labels.ts";
import { newestResults } from "../newest.ts";
import { type CellResult, type Results, readResults } from "../results.ts";
import { readSummary, summarize } from "../summary.ts";

const COMMITTED: Results = readResults(newestResults());
const HEADS = headlineHeads(COMMITTED.cells);
const OWN_GRPC = findAdd(COMMITTED.cells, "this server", "gRPC proto over HTTP/2", "64 x 1", HEADS)?.name ?? "";

test("the newest results are those of the last whole run, even beside newer partial runs", (t) => {
  const folder = makeFolder(t, [
    "2026-01-01T0900.json",
    "2026-02-03T1000.json",
    "2026-02-03T1000.svg",
    "2026-02-03T1000-partial.json",
    "2026-02-04T1100-partial.json",
    "notes.json",
  ]);
  assert.equal(basename(newestResults(folder)), "2026-02-03T1000.json");
});

test("a folder with only partial runs is an error", (t) => {
  const folder = makeFolder(t, ["2026-02-04T1100-partial.json"]);
  assert.throws(() => newestResults(folder), /no results of a whole run/);
});

test("the page's file of figures is that of the newest results: tools/node.sh bench/summary.ts writes it", () => {
  const path = newestResults();
  const written = JSON.parse(readFileSync(join(dirname(path), "page.json"), "utf8"));
  assert.deepEqual(written, readSummary(path));
  assert.ok(existsSync(join(dirname(path), written.chart)));
});

test("a figure of this server must not be missing", () => {
  const cells = COMMITTED.cells.filter(({ name }) => name !== OWN_GRPC);
  assert.throws(() => summarize({ ...COMMITTED, cells }, ""), /no bytes of this server's gRPC proto/);
});

test("a server that was absent has no row, and the others keep theirs", () => {
  const { rows } = summarize(COMMITTED, "");
  assert.ok(rows.some(({ server }) => server === "tonic"));
  const cells = COMMITTED.cells.filter(({ server }) => server !== "tonic");
  assert.deepEqual(
    summarize({ ...COMMITTED, cells }, "").rows,
    rows.filter(({ server }) => server !== "tonic"),
  );
});

test("the figures are those of heads that differ, and equal heads have one row", () => {
  const equal = COMMITTED.cells.filter(({ heads }) => heads === "equal");
  const differ = equal.map(
    (cell): CellResult => ({ ...cell, heads: "trace", cpuMicroseconds: { ...cell.cpuMicroseconds, median: 5 } }),
  );
  const summary = summarize({ ...COMMITTED, cells: [...equal, ...differ] }, "");
  assert.equal(summary.heads, "trace");
  assert.equal(summary.grpc.cpuMicroseconds, 5);
  assert.deepEqual(
    summary.rows.filter(({ heads }) => heads === "equal").map(({ server, protocol }) => [server, protocol]),
    [["this server", "gRPC proto over HTTP/2"]],
  );
  assert.equal(summarize({ ...COMMITTED, cells: equal }, "").heads, "equal");
});

test("each row names its protocol, shape and version, and a plain route is not called Connect", () => {
  const rows = summarize({ ...COMMITTED, versions: { fastify: "1.2.3" } }, "").rows.map(
    ({ server, version, protocol, connections, streams }) =>
      `${server} ${version}: ${protocol}, ${connections} x ${streams}`,
  );
  for (const row of [
    "fastify 1.2.3: JSON over HTTP/1.1, 64 x 1",
    "this server : Connect json over HTTP/1.1, 64 x 1",
    "this server : gRPC proto over HTTP/2, 4 x 16",
  ]) {
    assert.ok(rows.includes(row), row);
  }
});

test("the axis begins below the cheapest server and ends above the most expensive one", () => {
  const { rows, ticks } = summarize(COMMITTED, "");
  assert.ok((ticks[0] as number) <= (rows[0]?.cpuMicroseconds as number));
  assert.ok((ticks.at(-1) as number) > (rows.at(-1)?.cpuMicroseconds as number));
});

function makeFolder(t: TestContext, names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "results-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of names) writeFileSync(join(folder, name), "{}");
  return folder;
}
