/** The fuzzer's arguments: `--seed N --seconds S --target NAME`. */
import { parseArgs } from "node:util";

export interface Options {
  /** Of the first attempt; each after it has the next. */
  readonly seed: number;
  /** Of all targets together. */
  readonly seconds: number;
  /** Undefined is all of them. */
  readonly target: string | undefined;
}

/** Reads them. Throws a sentence on the first that is not allowed. */
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
