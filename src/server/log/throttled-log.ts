/** A log that peers cannot flood: at most one line a second of each kind. */

const PAUSE_MS = 1_000;

/** Logs a line. `kind` must come from a small set, since the log remembers each kind. */
export type ThrottledLog = (kind: string, line: string) => void;

/** Returns a log that writes to `log`. A line says how many lines of its kind were left out before it, if any were. */
export function createThrottledLog(log: (line: string) => void): ThrottledLog {
  const last = new Map<string, { at: number; leftOut: number }>();
  return (kind, line) => {
    const now = performance.now();
    const before = last.get(kind);
    if (before !== undefined && now - before.at < PAUSE_MS) {
      before.leftOut++;
      return;
    }
    const more = before === undefined || before.leftOut === 0 ? "" : `, and ${before.leftOut} times before`;
    last.set(kind, { at: now, leftOut: 0 });
    log(line.replace(/\n|$/, (end) => more + end)); // inserted at the end of the first line
  };
}
