/** Validates the values of limits. */
import { defaultLimits } from "./defaults.ts";
import type { Limit } from "./definition.ts";
import { LIMIT_NAMES, LIMITS, type LimitName, type Limits } from "./limits.ts";
import { RENAMES, renamed } from "./renamed-options.ts";

/** The maximum of a limit by default. A longer timer in Node (ms) or a larger HTTP/2 window (bytes) is impossible. */
const DEFAULT_MAX = 2 ** 31 - 1;

/** Returns the smallest and the largest value of a limit, and the value that turns the limit off. */
export function limitRange(name: LimitName): { readonly min: number; readonly max: number; readonly off: number } {
  const { min = 1, max = DEFAULT_MAX, unit }: Limit = LIMITS[name];
  return { min, max, off: unit === "bytes/s" ? 0 : Number.POSITIVE_INFINITY };
}

/**
 * Returns the values of all limits. A limit that is missing or undefined in `given` gets its default for this process.
 * Throws TypeError for an unknown name or a value that is not a number. Throws RangeError for a number that the limit
 * does not allow.
 */
export function completeLimits(given: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = { ...defaultLimits() };
  // Includes the limits that an object inherits, such as one from Object.create(defaults).
  for (const name in given) if (!Object.hasOwn(LIMITS, name)) throw unknownLimit(name);
  for (const name of LIMIT_NAMES) {
    const value = given[name];
    if (value === undefined) continue;
    const error = invalidValue(name, value);
    if (error !== undefined) throw error;
    limits[name] = value;
  }
  return Object.freeze(limits as unknown as Limits);
}

function unknownLimit(name: string): TypeError {
  const newName = renamed(RENAMES.limits, name);
  const problem = newName === undefined ? "unknown limit; docs/limits.md lists them all" : `renamed to ${newName}`;
  return new TypeError(`limits.${name}: ${problem}`);
}

/** Returns an error if the limit does not allow the value, or else undefined. */
function invalidValue(name: LimitName, value: unknown): Error | undefined {
  const { min, max, off } = limitRange(name);
  if (value === off || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max)) return undefined;
  const { unit } = LIMITS[name];
  const allowed = `must be a whole number of ${unit} from ${min} to ${max}, or ${off} for no limit`;
  const ErrorType = typeof value === "number" ? RangeError : TypeError;
  return new ErrorType(`limits.${name}: ${process.getBuiltinModule("node:util").inspect(value)} ${allowed}`);
}
