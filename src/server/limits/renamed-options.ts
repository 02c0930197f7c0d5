/** Refuses the old spellings of public names. Each message names the new spelling. */

type Names = Readonly<Record<string, string>>;

/** The new spelling of each old spelling. */
export const RENAMES = {
  /** Names of limits. Flags and variables are made from these names. */
  limits: {
    abandonedHandlers: "cancelledHandlers",
    abandonedHandlersPerConnection: "cancelledHandlersPerConnection",
    farewellMs: "gracefulCloseMs",
    gatheredBytes: "bufferedBytes",
    gatheredBytesPerConnection: "bufferedBytesPerConnection",
    pingAnswerMs: "pingTimeoutMs",
    unsentBytes: "sendBufferBytes",
  },
  /** Names of the options of createServer. */
  options: { lane: "fastPath" },
  /** Values of the option, flag and variable `http2`. */
  http2: { own: "built-in" },
} as const satisfies Record<string, Names>;

/** Returns the new name in `names`, or undefined if `name` was not renamed. */
export function renamed(names: Names, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}

/** Throws TypeError if the options of createServer have an old name, or an old value of `http2`. */
export function refuseRenamedOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    const newName = renamed(RENAMES.options, name);
    if (newName !== undefined) throw new TypeError(`${name}: renamed to ${newName}`);
    const newValue = name === "http2" ? renamed(RENAMES.http2, String(value)) : undefined;
    if (newValue !== undefined) throw new TypeError(`${name}: ${JSON.stringify(value)} was renamed to "${newValue}"`);
  }
}
