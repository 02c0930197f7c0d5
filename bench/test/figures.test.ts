/** The figures of the README are those of the newest run of the benchmark. A README without figures is not checked. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../test/support/command.ts";
import { newestResults } from "../newest.ts";

/** A row of the benchmark's results. */
interface Cell {
  readonly name: string;
  readonly cpuMicroseconds: { readonly median: number };
  readonly bytes: { readonly request: number; readonly answer: number };
  readonly latencyMilliseconds: { readonly p50: number; readonly p99: number };
}

const README = await readFile(join(ROOT, "README.md"), "utf8");
const { cells, date }: { cells: readonly Cell[]; date: string } = JSON.parse(await readFile(newestResults(), "utf8"));

const skip = !README.includes("](bench/results)") && "the README has no figures of the benchmark";

/** The cells of the README's tables, without empty ones at both ends of a row. */
const ROWS = [...README.matchAll(/^\|(.*)\|$/gm)].map(([, row = ""]) => row.split("|").map((value) => value.trim()));

test("the README names the date of the newest run", { skip }, () => {
  assert.ok(README.includes(` ${date.slice(0, 10)}`), date);
});

test("the README's figures of this server are those of the newest run", { skip }, () => {
  const wanted = [
    ["Connect JSON over HTTP/1.1, 64 connections", "this server: Connect json over HTTP/1.1, 64 x 1"],
    ["gRPC over HTTP/2, 64 connections", "this server: gRPC proto over HTTP/2, 64 x 1"],
    ["gRPC over HTTP/2, 4 connections", "this server: gRPC proto over HTTP/2, 4 x 16"],
    ["Connect JSON over HTTP/2, 4 connections", "this server: Connect json over HTTP/2, 4 x 16"],
  ].map(([label = "", name = ""]) => {
    const { bytes, latencyMilliseconds } = cell(name);
    const { p50, p99 } = latencyMilliseconds;
    return [label, cpu(name), bytes.request.toFixed(0), bytes.answer.toFixed(0), p50.toFixed(3), p99.toFixed(3)];
  });
  assert.deepEqual(
    ROWS.filter(([label = ""]) => /, \d+ connections$/.test(label)),
    wanted,
  );
});

test("the README's figures of other servers are those of the newest run", { skip }, () => {
  const servers = ["this server", "nghttpd", "grpc-go", "grpc-js", "grpcio", "connect-node"];
  assert.deepEqual(
    ROWS.filter(([, protocol = ""]) => / over HTTP\/[\d.]+$/.test(protocol)).map((row) => row.slice(2)),
    [
      ...servers.map((server) => ["4", cpu(`${server}: gRPC proto over HTTP/2, 4 x 16`)]),
      ...["this server", "fastify"].map((server) => ["64", cpu(`${server}: Connect json over HTTP/1.1, 64 x 1`)]),
    ],
  );
});

test("the README's comparison with connect-node has the same figures", { skip }, () => {
  const [own, other] = ["this server", "connect-node"].map((server) =>
    cpu(`${server}: gRPC proto over HTTP/2, 4 x 16`),
  );
  assert.ok(README.includes(`${own} us of CPU time per call, ${other} us with connect-node`));
});

function cell(name: string): Cell {
  const found = cells.find((each) => each.name === name);
  assert.ok(found, name);
  return found;
}

function cpu(name: string): string {
  return cell(name).cpuMicroseconds.median.toPrecision(3);
}
