/** Flags on a command line: the text of each, and sentences on arguments that are not flags. */
import { parseArgs } from "node:util";

export interface Flags {
  /** By the flags' names. Of a flag that is given twice, the last counts. */
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

/** Returns "help" or "version" if the arguments ask for a text instead of a run. */
export function asksFor(args: readonly string[]): "help" | "version" | undefined {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return "help";
  return args.some((arg) => arg === "--version" || arg === "-V") ? "version" : undefined;
}

/** Reads the flags. Every flag in `known` takes a value. A flag in `switches` is "off" if given as `--no-` and its name. */
export function readFlags(args: readonly string[], known: readonly string[], switches: readonly string[]): Flags {
  const options = Object.fromEntries(known.map((flag) => [flag, { type: "string" as const }]));
  const values = new Map<string, string>();
  const problems: string[] = [];
  const whole = args.filter((arg, i) => {
    const lacksValue = known.some((flag) => arg === `--${flag}`) && (args[i + 1] ?? "--").startsWith("--");
    if (lacksValue) problems.push(`${arg}: must have a value behind it`);
    return !lacksValue;
  });
  const { tokens } = parseArgs({ args: whole, options, allowPositionals: true, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") problems.push(`${JSON.stringify(token.value)}: must be a flag; see --help`);
    else if (token.kind === "option") {
      const off = token.value === undefined && switches.find((flag) => token.rawName === `--no-${flag}`);
      if (off) values.set(off, "off");
      else if (!known.includes(token.name)) problems.push(`${token.rawName}: unknown flag; see --help`);
      else values.set(token.name, token.value ?? "");
    }
  }
  return { values, problems };
}
