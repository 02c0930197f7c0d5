/** What an operator reads of limits that were met: a line for each limit and second at most. */
import type { LimitName, OnLimit } from "./limits.ts";

const PAUSE_MS = 1_000;

/** log takes each line. What is left out is counted in the next line of its limit. */
export function createLimitLog(log: (line: string) => void): OnLimit {
  const last = new Map<LimitName, { at: number; leftOut: number }>();
  return (limit, what) => {
    const now = performance.now();
    const before = last.get(limit);
    if (before !== undefined && now - before.at < PAUSE_MS) {
      before.leftOut++;
      return;
    }
    const more = before === undefined || before.leftOut === 0 ? "" : `, and ${before.leftOut} times before`;
    last.set(limit, { at: now, leftOut: 0 });
    log(`limit ${limit}: ${what}${more}`);
  };
}
