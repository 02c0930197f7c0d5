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
