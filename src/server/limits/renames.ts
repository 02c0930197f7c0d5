/** Refuses the old spellings of public names. Each message names the new spelling. */

/** The new name of each limit that was renamed. Flags and variables follow the names of their limits. */
export const RENAMED_LIMITS: Readonly<Record<string, string>> = {
  abandonedHandlers: "cancelledHandlers",
  abandonedHandlersPerConnection: "cancelledHandlersPerConnection",
  farewellMs: "gracefulCloseMs",
  gatheredBytes: "bufferedBytes",
  gatheredBytesPerConnection: "bufferedBytesPerConnection",
  pingAnswerMs: "pingTimeoutMs",
  unsentBytes: "sendBufferBytes",
};

/** The new name of each option of createServer that was renamed. */
const RENAMED_OPTIONS: Readonly<Record<string, string>> = { lane: "fastPath" };

/** The new name of each value of the option, flag and variable `http2` that was renamed. */
export const RENAMED_HTTP2: Readonly<Record<string, string>> = { own: "built-in" };

/** Returns the new name in `renames`, or undefined if `name` was not renamed. */
export function renamed(renames: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(renames, name) ? renames[name] : undefined;
}

/** Throws TypeError if the options of createServer have an old name, or an old value of `http2`. */
export function refuseRenamedOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    const newName = renamed(RENAMED_OPTIONS, name);
    if (newName !== undefined) throw new TypeError(`${name}: renamed to ${newName}`);
    const newValue = name === "http2" ? renamed(RENAMED_HTTP2, String(value)) : undefined;
    if (newValue !== undefined) throw new TypeError(`${name}: ${JSON.stringify(value)} was renamed to "${newValue}"`);
  }
}
