/** The figures of the benchmark that docs/scale.md assumes are those of the newest run. Like the README's, a service need not have them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BENCHMARK } from "../../docs/scale/assumptions.ts";
import { ROOT } from "../../test/support/command.ts";
import { newestResults } from "../newest.ts";
import { readResults } from "../results.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const skip = !README.includes("](bench/results)") && "the README has no figures of the benchmark";

test("docs/scale/assumptions.ts has the figures of the newest run", { skip }, () => {
  const { date, cells, memory } = readResults(newestResults());
  assert.equal(BENCHMARK.date, date.slice(0, 10));
  for (const [shape, expected] of Object.entries(BENCHMARK.callMicroseconds)) {
    const name = `this server: gRPC proto over HTTP/2, Add, heads that differ, ${shape}`;
    const found = cells.find((cell) => cell.name === name);
    assert.equal(expected, Number(found?.cpuMicroseconds.median.toPrecision(3)), name);
  }
  const own = memory.find(({ server }) => server === "this server");
  assert.equal(BENCHMARK.connectionBytes, Math.round(own?.perIdleConnection ?? Number.NaN));
});
