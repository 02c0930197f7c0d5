/** Fuzzes all targets, or one: `npm run fuzz -- --seed N --seconds S --target calls`. */
import { calls } from "./calls.ts";
import { http1 } from "./http1.ts";
import { http2 } from "./http2.ts";
import { type Options, readOptions } from "./options.ts";
import { fuzz } from "./run.ts";

const TARGETS = { http2, http1, calls };

const { seed, seconds, target } = optionsOrExit();
const targets = Object.entries(TARGETS).filter(([name]) => name === (target ?? name));
const ms = (seconds * 1_000) / targets.length;
for (const [, target] of targets) {
  const end = Date.now() + ms;
  const count = await fuzz(target, seed, () => Date.now() > end);
  console.log(`${target.name}: ${count} seeds from ${seed}: nothing found`);
}

function optionsOrExit(): Options {
  try {
    return readOptions(process.argv.slice(2), Object.keys(TARGETS));
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}
