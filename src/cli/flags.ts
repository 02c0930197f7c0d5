/** Parses the flags of a command line. */
export interface Flags {
  /** The text of each flag, by its name. If a flag is given more than once, its final value counts. */
  readonly values: ReadonlyMap<string, string>;
  /** A sentence for each argument that is not a valid flag. */
  readonly problems: readonly string[];
}

/** The names of flags, all without "--". */
export interface FlagNames {
  /** The flags of the program. Each takes a value. */
  readonly known: readonly string[];
  /** The flags that, if they are known, also have the form `--no-NAME`, which sets the flag to "off". */
  readonly switches: readonly string[];
  /** The flags that were renamed, with the new name of each. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Returns "help" or "version" if the arguments contain that flag or its short form. */
export function asksFor(args: readonly string[]): "help" | "version" | undefined {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return "help";
  return args.some((arg) => arg === "--version" || arg === "-V") ? "version" : undefined;
}

/** Parses the flags. Arguments that are not valid flags become problems. */
export function readFlags(args: readonly string[], { known, switches, renamed }: FlagNames): Flags {
  const options = Object.fromEntries([...known, ...renamed.keys()].map((flag) => [flag, { type: "string" as const }]));
  const values = new Map<string, string>();
  const problems: string[] = [];
  const complete = args.filter((arg, i) => {
    const lacksValue = known.some((flag) => arg === `--${flag}`) && (args[i + 1] ?? "--").startsWith("--");
    if (lacksValue) problems.push(`${arg}: must be followed by a value`);
    return !lacksValue;
  });
  // An import reads every export of node:util, some of which Node loads then: 16 ms at the start.
  const { parseArgs } = process.getBuiltinModule("node:util");
  const { tokens } = parseArgs({ args: complete, options, allowPositionals: true, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") problems.push(`${JSON.stringify(token.value)}: must be a flag; see --help`);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const off = value === undefined && switches.find((flag) => rawName === `--no-${flag}` && known.includes(flag));
    if (off) values.set(off, "off");
    else if (renamed.has(name)) problems.push(`${rawName}: renamed to --${renamed.get(name)}`);
    else if (!known.includes(name)) problems.push(`${rawName}: unknown flag; see --help`);
    else values.set(name, value ?? "");
  }
  return { values, problems };
}
