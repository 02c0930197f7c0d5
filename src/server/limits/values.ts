/** The values that a limit can take. */
import { inspect } from "node:util";
import { LIMITS, type Limit, type LimitName, type Limits } from "./limits.ts";
import { defaultLimits } from "./memory.ts";
import { RENAMED_LIMITS, renamed } from "./renames.ts";

/** The largest value of Node's timers and of HTTP/2's windows. */
const MAX_VALUE = 2 ** 31 - 1;

/** Returns the smallest and the largest value of a limit, and the value that turns the limit off. */
export function limitRange(name: LimitName): { readonly min: number; readonly max: number; readonly off: number } {
  const { min = 1, max = MAX_VALUE, unit }: Limit = LIMITS[name];
  return { min, max, off: unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY };
}

/**
 * Returns all limits: those of `given`, and the defaults of this process for the others. Throws TypeError for an unknown name or a value
 * that is not a number, and RangeError for a number that the limit cannot take.
 */
export function completeLimits(given: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = { ...defaultLimits() };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(LIMITS, name)) throw unknownLimit(name);
    if (value === undefined) continue;
    const problem = problemOf(name as LimitName, value);
    if (problem !== undefined) throw problem;
    limits[name] = value;
  }
  return Object.freeze(limits as unknown as Limits);
}

function unknownLimit(name: string): TypeError {
  const newName = renamed(RENAMED_LIMITS, name);
  const problem = newName === undefined ? "unknown limit; docs/limits.md lists them all" : `renamed to ${newName}`;
  return new TypeError(`limits.${name}: ${problem}`);
}

function problemOf(name: LimitName, value: unknown): Error | undefined {
  const { min, max, off } = limitRange(name);
  if (value === off || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max)) return undefined;
  const { unit } = LIMITS[name];
  const allowed = `must be a whole number of ${unit} from ${min} to ${max}, or ${off} for no limit`;
  const ErrorType = typeof value === "number" ? RangeError : TypeError;
  return new ErrorType(`limits.${name}: ${inspect(value)} ${allowed}`);
}
