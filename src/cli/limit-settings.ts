/** Makes a setting of each limit, with its flag and variable. */

import type { Limit } from "../server/limits/definition.ts";
import { LIMIT_NAMES, LIMITS, type LimitName } from "../server/limits/limits.ts";
import { RENAMES } from "../server/limits/renamed-options.ts";
import { limitRange } from "../server/limits/validation.ts";
import type { Setting } from "./setting.ts";
import { DURATION_EXAMPLES, formatDuration, formatSize, parseDuration, parseSize, SIZE_EXAMPLES } from "./units.ts";

export interface LimitSetting extends Setting<number> {
  readonly name: LimitName;
  /** The default of a process with enough memory. */
  readonly default: string;
}

/** The settings of the limits, in the order of the table. */
export const LIMIT_SETTINGS: readonly LimitSetting[] = LIMIT_NAMES.map(limitSetting);

/** The flags that were renamed, with the new name of each, both without "--". */
export const RENAMED_FLAGS: ReadonlyMap<string, string> = new Map(
  Object.entries(RENAMES.limits).map(([old, name]) => [flagOf(old), flagOf(name)]),
);

/** Returns one sentence for each variable in `env` that has the old name of a limit and is not empty. */
export function renamedVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return [...RENAMED_FLAGS]
    .map(([old, flag]) => [variableOf(old), variableOf(flag)] as const)
    .filter(([old]) => Boolean(env[old]))
    .map(([old, name]) => `${old}: renamed to ${name}`);
}

function limitSetting(name: LimitName): LimitSetting {
  const { default: value, unit, on, bounds, memoryShare }: Limit = LIMITS[name];
  const { min, max, off } = limitRange(name);
  const flag = flagOf(name);
  const { takes, parse, format, units } = amountOf(unit);
  return {
    name,
    flag,
    env: variableOf(flag),
    takes,
    default: value === off ? "off" : format(value),
    help: on === "all" ? bounds : `${on}: ${bounds}`,
    ...(memoryShare !== undefined && { defaultNote: shareOf(memoryShare, unit) }),
    allowed: `a whole number of ${unit} from ${min} to ${max}${units}, or off`,
    parse(text) {
      if (text === "off") return off;
      const amount = parse(text);
      return amount !== undefined && amount >= min && amount <= max ? amount : undefined;
    },
  };
}

function flagOf(limit: string): string {
  return limit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableOf(flag: string): string {
  return flag.toUpperCase().replaceAll("-", "_");
}

function shareOf(share: number, unit: string): string {
  return unit === "bytes"
    ? `at most 1/${1 / share} of the memory`
    : `at most one for each ${formatSize(1 / share)} of memory`;
}

/** Parses, formats and describes a kind of amount. */
interface Amount {
  readonly takes: string;
  readonly parse: (text: string) => number | undefined;
  readonly format: (amount: number) => string;
  /** Text about units that follows the range of allowed values. Empty for an amount without units. */
  readonly units: string;
}

function amountOf(unit: string): Amount {
  if (unit === "ms") {
    const units = ` or with a unit (${DURATION_EXAMPLES})`;
    return { takes: "DURATION", parse: parseDuration, format: formatDuration, units };
  }
  const [, perSecond = ""] = /^bytes(\/s)?$/.exec(unit) ?? [undefined];
  if (unit.startsWith("bytes")) {
    return {
      takes: `SIZE${perSecond}`,
      parse: (text) => parseSize(text.endsWith(perSecond) ? text.slice(0, text.length - perSecond.length) : text),
      format: (bytes) => `${formatSize(bytes)}${perSecond}`,
      units: ` or with a unit (${SIZE_EXAMPLES})`,
    };
  }
  const parse = (text: string): number | undefined => (/^\d{1,16}$/.test(text) ? Number(text) : undefined);
  return { takes: "NUMBER", parse, format: String, units: "" };
}
