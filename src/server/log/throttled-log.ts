/** A log that peers cannot flood: of what they bring about, a line for each kind and second at most. */

const PAUSE_MS = 1_000;

/** Takes a line of a kind, of which there are few. What is left out is counted in the next line of its kind. */
export type ThrottledLog = (kind: string, line: string) => void;

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
    log(line.replace(/\n|$/, (end) => more + end)); // at the end of the first line
  };
}
