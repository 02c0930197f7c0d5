/**
 * A monotonic clock that leaves out pauses: times of over about a second in which the event loop does not run. The process
 * is then busy or stopped, for example by SIGSTOP or with its virtual machine. Bytes from peers wait in the kernel. With an
 * ordinary clock, timeouts would expire during a pause and close healthy connections.
 */

/** The longest delay of a timer in Node. Node changes a longer delay to 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** The interval of a timer that reads the clock. A pause delays the timer, and so shows as a longer interval. */
const TICK_MS = 500;
/** A longer interval between two readings of the clock counts as a pause. */
const MIN_PAUSE_MS = 2 * TICK_MS;
/** The number of recent pauses that are remembered. `pausedWithin` does not count older pauses. */
const MAX_PAUSES = 32;

let lastRead = performance.now();
let pausedMs = 0;
let ticking: NodeJS.Timeout | undefined;
const pauses: { readonly at: number; readonly ms: number }[] = [];

/** Returns the time of this clock in ms. */
export function processNow(now = performance.now()): number {
  if (ticking === undefined) {
    ticking = setInterval(processNow, TICK_MS, undefined).unref();
    lastRead = now;
  }
  const interval = now - lastRead;
  if (interval > MIN_PAUSE_MS) {
    const ms = interval - TICK_MS;
    pausedMs += ms;
    pauses.push({ at: now - pausedMs, ms });
    if (pauses.length > MAX_PAUSES) pauses.shift();
  }
  lastRead = now;
  return now - pausedMs;
}

/** Returns the total length, in ms, of the pauses within the last `ms` of this clock. */
export function pausedWithin(ms: number): number {
  const since = processNow() - ms;
  let sum = 0;
  for (const pause of pauses) if (pause.at >= since) sum += pause.ms;
  return sum;
}

/** Calls `expire` once, after `ms` of this clock. Returns a function that cancels the timeout. */
export function startProcessTimeout(ms: number, expire: () => void): () => void {
  const end = processNow() + ms;
  let timer = setTimeout(onTimer, ms);
  function onTimer(): void {
    const left = end - processNow();
    if (left < 1)
      expire(); // a timer may fire up to 1 ms early
    else timer = setTimeout(onTimer, left);
  }
  return () => clearTimeout(timer);
}
