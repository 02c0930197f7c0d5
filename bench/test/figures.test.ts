/** The figures of the README are those of the newest run of the benchmark. A README without figures is not checked. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../test/support/command.ts";
import { cell, describeLoad } from "../cells.ts";
import { replaceFigures } from "../figures.ts";
import { newestResults } from "../newest.ts";
import { type CellResult, type Results, readResults } from "../results.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const COMMITTED = readResults(newestResults());
const PLACE = "<!-- figures of the newest run; bench/summary.ts writes them -->\n<!-- end of the figures -->\n";
const skip = !README.includes("](bench/results)") && "the README has no figures of the benchmark";

test("the README's figures are those of the newest run: tools/node.sh bench/summary.ts writes them", { skip }, () => {
  assert.equal(replaceFigures(README, COMMITTED), README);
  assert.ok(README.includes(` ${COMMITTED.date.slice(0, 10)},`), COMMITTED.date);
});

test("the README has no figures of CPU time outside those that are written", { skip }, () => {
  const [before = "", after = ""] = README.split(/<!-- figures .*<!-- end of the figures -->/s);
  assert.doesNotMatch(before + after, /\d us\b/);
});

test("a document without a place for figures stays as it is", () => {
  assert.equal(replaceFigures("# Another service\n", COMMITTED), undefined);
});

test("calls with heads that differ come first, equal heads are named, and each figure has its shape", () => {
  const tables = figuresOf([
    result("this server", 3.5, { heads: "trace" }),
    result("this server", 2),
    result("grpc-go", 12, { heads: "trace" }),
    result("grpc-go", 8),
  ]);
  assert.deepEqual(tables, [
    ["gRPC proto over HTTP/2", "heads that differ", "4 x 16", "3.50", "51", "38", "0.100", "1.000"],
    ["gRPC proto over HTTP/2", "equal heads", "4 x 16", "2.00", "51", "38", "0.100", "1.000"],
    ["this server", "gRPC proto over HTTP/2", "heads that differ", "4 x 16", "3.50"],
    ["grpc-go v1.2.3", "gRPC proto over HTTP/2", "heads that differ", "4 x 16", "12.0"],
  ]);
});

test("streams and large messages have a table, with a dash for what was not measured", () => {
  const stream = { method: "Download", size: 100, messages: 200, shape: "4x4" } as const;
  const echo = { method: "Echo", size: 102_400, shape: "4x4" } as const;
  const tables = figuresOf([
    result("this server", 2, stream),
    result("grpc-go", 1, stream),
    result("this server", 1138, echo),
  ]);
  assert.deepEqual(tables, [
    ["Echo, 102400 B", "4 x 4", "1138", "-", "-", "-", "-"],
    ["Download, 100 B, 200 messages a call", "4 x 4", "2.00", "1.00", "-", "-", "-"],
  ]);
});

test("a load is described by all that differs", () => {
  const { load } = cell("this server", "gRPC proto over HTTP/2", {
    method: "Chat",
    size: 100,
    messages: 20,
    tls: true,
  });
  assert.equal(load, "gRPC proto over HTTP/2 and TLS, Chat of 20 messages of 100 B, equal heads, 4 x 16");
  const { load: large } = cell("this server", "gRPC proto over HTTP/2", { method: "Echo", size: 9, client: "grpc-go" });
  assert.equal(large, "gRPC proto over HTTP/2, Echo of 9 B, equal heads, grpc-go's client, 4 x 16");
  assert.equal(describeLoad(cell("grpc-go", undefined, { heads: "timeout" })), "Add, timeouts that differ");
});

/** Returns the rows of the tables, without heads. */
function figuresOf(cells: readonly CellResult[]): string[][] {
  const text =
    replaceFigures(PLACE, { ...COMMITTED, cells, versions: { "grpc-go": "v1.2.3" } } satisfies Results) ?? "";
  const [, written = ""] = /<!-- figures .*?-->(.*)<!-- end/s.exec(text) ?? [];
  return [...written.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row = ""]) => row.split("|").map((value) => value.trim()))
    .filter(
      ([first = "", second = ""]) => !/^(?:-+|server|this server|method)$/.test(first) || second.startsWith("gRPC"),
    );
}

function result(server: CellResult["server"], us: number, options: Parameters<typeof cell>[2] = {}): CellResult {
  const { wire, connections, streams, load: _, ...rest } = cell(server as "grpc-go", "gRPC proto over HTTP/2", options);
  return {
    ...{ ...rest, wire: wire.name, shape: `${connections} x ${streams}` },
    cpuMicroseconds: { median: us, low: us, high: us, n: 15 },
    latencyMilliseconds: { p50: 0.1, p99: 1 },
    bytes: { request: 51, answer: 38 },
  };
}
