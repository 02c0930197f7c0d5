/** A short run of each fuzzer; main.ts runs as long as it is told to. */
import { test } from "node:test";
import { calls } from "./calls.ts";
import { http1 } from "./http1.ts";
import { http2 } from "./http2.ts";
import { fuzz } from "./run.ts";

for (const [target, seeds] of [
  [http2, 500],
  [http1, 300],
  [calls, 300],
] as const) {
  test(`${seeds} random attempts at ${target.name} find nothing`, async () => {
    await fuzz(target, 1, (count) => count === seeds);
  });
}
