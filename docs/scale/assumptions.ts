/** The measured figures from which scale.md computes memory and CPU time. bench/test/scale.test.ts compares the benchmark's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Measured } from "./split.ts";

/** Figures of the newest run of `npm run bench`. */
export const BENCHMARK = {
  date: "2026-11-29",
  /** CPU time in us of a call of gRPC with heads that differ, by connections x calls at once. */
  callMicroseconds: { "4 x 16": 3.02, "64 x 1": 9.2, "100 x 1": 9.68, "1000 x 1": 12.8 },
  /** Memory of an HTTP/2 connection without calls. */
  connectionBytes: 3_482,
};

/** Figures that docs/scale/measure.ts has measured. */
export const MEASURED: Measured = JSON.parse(readFileSync(join(import.meta.dirname, "measured.json"), "utf8"));
