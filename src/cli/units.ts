/** Parses and formats amounts with a unit: durations in ms and sizes in bytes. */

/** The units of a kind of amount, smallest first, each with its factor. */
interface Units {
  readonly [unit: string]: number;
}

const DURATION: Units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZE: Units = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Examples for messages and help texts. */
export const DURATION_EXAMPLES = "500ms, 5s, 1m, 1h";
export const SIZE_EXAMPLES = "64KiB, 4MiB, 1GiB";

/** Returns the number of ms in a text like "5s" or "5000", or undefined if the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION);
}

/** Returns the number of bytes in a text like "64KiB" or "65536", or undefined if the text is not a size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE);
}

/** Formats a duration in the largest unit that gives a whole number: 300000 is "5m". */
export function formatDuration(ms: number): string {
  return format(ms, DURATION);
}

/** Formats a size in the largest unit that gives a whole number: 65536 is "64KiB". */
export function formatSize(bytes: number): string {
  return format(bytes, SIZE);
}

function parse(text: string, units: Units): number | undefined {
  const [, digits, unit] = /^(\d{1,16})([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const factor = unit === "" ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : Number(digits) * factor;
}

function format(amount: number, units: Units): string {
  const [unit, factor] = Object.entries(units).findLast(([, each]) => amount % each === 0 && amount >= each) ?? ["", 1];
  return `${amount / factor}${unit}`;
}
