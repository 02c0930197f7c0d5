/** Reads the arguments of the fuzzer: `--seed N --seconds S --target NAME`. */
import { parseArgs } from "node:util";

export interface Options {
  /** The seed of the first attempt. Each following attempt has the next number. */
  readonly seed: number;
  /** The time of all targets together. */
  readonly seconds: number;
  /** One target; undefined for all. */
  readonly target: string | undefined;
}

/** Returns the options. Throws an error that names the first invalid argument. */
export function readOptions(args: readonly string[], targets: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { seed: { type: "string" }, seconds: { type: "string" }, target: { type: "string" } },
  });
  const { seed = String(Date.now() % 1_000_000_000), seconds = "10", target } = values;
  if (target !== undefined && !targets.includes(target)) {
    throw new Error(`--target: ${JSON.stringify(target)} must be one of ${targets.join(", ")}`);
  }
  return {
    seed: wholeNumber("--seed", seed, 0, 999_999_999),
    seconds: wholeNumber("--seconds", seconds, 1, 86_400),
    target,
  };
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`${name}: ${JSON.stringify(text)} must be a whole number from ${least} to ${most}`);
}
