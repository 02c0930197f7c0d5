/**
 * A clock that stands still while this process does not run: it is stopped (SIGSTOP, a paused virtual machine) or busy.
 * What peers sent meanwhile waits in the kernel unread. Timeouts that ran on in the meantime would end their connections.
 */

/** The longest timer of Node. A longer one fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** ms between readings of the clock, as far as nothing else reads it. */
const TICK_MS = 500;
/** ms between two readings from which on the process did not run in between. */
const GAP_MS = 2 * TICK_MS;
/** Gaps that are remembered: the oldest is forgotten, and costs a peer that was waiting since then its extra time. */
const MAX_GAPS = 32;

let lastRead = performance.now();
let lost = 0;
let ticking: NodeJS.Timeout | undefined;
const gaps: { readonly at: number; readonly ms: number }[] = [];

/** Returns ms of a clock that only goes forward, less those in which the process did not run. */
export function processNow(now = performance.now()): number {
  if (ticking === undefined) {
    ticking = setInterval(processNow, TICK_MS, undefined).unref();
    lastRead = now;
  }
  const gap = now - lastRead;
  if (gap > GAP_MS) {
    const ms = gap - TICK_MS;
    lost += ms;
    gaps.push({ at: now - lost, ms });
    if (gaps.length > MAX_GAPS) gaps.shift();
  }
  lastRead = now;
  return now - lost;
}

/** Returns the ms in which the process did not run since `ms` of running time ago. */
export function pausedWithin(ms: number): number {
  const since = processNow() - ms;
  let sum = 0;
  for (const gap of gaps) if (gap.at >= since) sum += gap.ms;
  return sum;
}

/** Calls `expire` once, after `ms` of running time. Returns a function that cancels it. */
export function startProcessTimeout(ms: number, expire: () => void): () => void {
  const end = processNow() + ms;
  let timer = setTimeout(onTimer, ms);
  function onTimer(): void {
    const left = end - processNow();
    if (left < 1)
      expire(); // a timer is up to 1 ms early
    else timer = setTimeout(onTimer, left);
  }
  return () => clearTimeout(timer);
}
