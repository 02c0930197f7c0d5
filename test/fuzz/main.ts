/** Fuzzes all targets, or one: `npm run fuzz -- --seed N --seconds S --target calls`. */
import { parseArgs } from "node:util";
import { calls } from "./calls.ts";
import { http1 } from "./http1.ts";
import { http2 } from "./http2.ts";
import { fuzz } from "./run.ts";

const TARGETS = { http2, http1, calls };

const { values } = parseArgs({
  options: { seed: { type: "string" }, seconds: { type: "string" }, target: { type: "string" } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const targets = Object.entries(TARGETS).filter(([name]) => name === (values.target ?? name));
if (targets.length === 0)
  throw new Error(`fuzz "${values.target}": the targets are ${Object.keys(TARGETS).join(", ")}`);
const ms = (Number(values.seconds ?? 10) * 1_000) / targets.length;
for (const [, target] of targets) {
  const end = Date.now() + ms;
  const count = await fuzz(target, seed, () => Date.now() > end);
  console.log(`${target.name}: ${count} seeds from ${seed}: nothing found`);
}
