/** Flags on a command line: the text of each, and sentences on what is none. */
import { parseArgs } from "node:util";

export interface Flags {
  readonly help: boolean;
  /** By the flags' names; of one that is given twice, the last. */
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

/** Reads them, where every flag that is known has a value; those that are switches may be off as `--no-` and their name. */
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
  let help = false;
  for (const token of tokens) {
    if (token.kind === "positional") problems.push(`${JSON.stringify(token.value)}: must be a flag; see --help`);
    else if (token.kind === "option") {
      const off = token.value === undefined && switches.find((flag) => token.rawName === `--no-${flag}`);
      if (token.name === "help" || token.name === "h") help = true;
      else if (off) values.set(off, "off");
      else if (!known.includes(token.name)) problems.push(`${token.rawName}: no such flag; see --help`);
      else values.set(token.name, token.value ?? "");
    }
  }
  return { help, values, problems };
}
