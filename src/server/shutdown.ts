/**
 * The shutdown sequence of a server. Every call gets a response if it finishes in time, and an error otherwise.
 *
 * 1. Immediately, `announce`: health turns to NOT_SERVING, and HTTP/1.1 responses say "Connection: close". Connections and
 *    calls are still accepted for `delayMs`, so that load balancers can react.
 * 2. After `delayMs`, `stopAccepting`: the port closes, Watch streams of health end and HTTP/2 connections get GOAWAY. Calls
 *    in flight continue. HTTP/1.1 connections without a call are closed `idleMs` later.
 * 3. At `delayMs + graceMs - abortMs`, `abort`: the abort signals of handlers fire, and streams end with "unavailable".
 *    Unary handlers may still return a response.
 * 4. At `delayMs + graceMs`, `cut`: calls still in flight get the error "unavailable", then all connections are destroyed.
 *
 * From step 2 on, the sequence ends as soon as the last connection is closed.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** The times of a shutdown, in ms. */
export interface ShutdownTimes {
  /** Time for which connections are still accepted while health reports NOT_SERVING. */
  readonly delayMs: number;
  /** Time after the delay for which HTTP/1.1 connections without a call stay open: a request may be on its way. */
  readonly idleMs: number;
  /** Time after the delay for calls in flight to finish. */
  readonly graceMs: number;
  /** The final part of `graceMs`. When it starts, handlers are told to stop and streams are ended. */
  readonly abortMs: number;
}

/** Default of `delayMs` if the server is not local: time for two health checks at an interval of 1 to 2 s. */
export const DEFAULT_DELAY_MS = 5_000;
const DEFAULTS: ShutdownTimes = Object.freeze({
  delayMs: DEFAULT_DELAY_MS,
  idleMs: 1_000,
  graceMs: 10_000,
  abortMs: 1_000,
});

/** The times of a shutdown, in ms. A time that is missing or undefined gets its default. */
export type PartialShutdownTimes = { readonly [K in keyof ShutdownTimes]?: ShutdownTimes[K] | undefined };

/**
 * Completes `given` with the defaults: `delayMs` 5 s, `idleMs` 1 s, `graceMs` 10 s, `abortMs` 1 s. If the server is
 * local, the default of `delayMs` is 0, because load balancers on other machines cannot reach it.
 */
export function shutdownTimes(given: PartialShutdownTimes, isLocal: boolean): ShutdownTimes {
  const set = Object.fromEntries(Object.entries(given).filter(([, ms]) => ms !== undefined));
  return { ...DEFAULTS, ...(isLocal && { delayMs: 0 }), ...set };
}

/** The steps of a shutdown. Each is called at most once, in this order. */
export interface ShutdownSteps {
  /** Reports NOT_SERVING, and makes HTTP/1.1 responses say "Connection: close". */
  announce(): void;
  /**
   * Closes the port and drains the connections. Calls in flight go on. HTTP/1.1 connections without a call stay open for
   * `idleMs`, because a request may be on its way. Resolves when no connection is left.
   */
  stopAccepting(idleMs: number): Promise<void>;
  /** Tells handlers to stop, and ends streams. */
  abort(): void;
  /**
   * Responds to the calls in flight with an error and destroys all connections. Resolves with the number of these calls.
   */
  cut(): Promise<number>;
}

/**
 * Runs the steps at their times. Resolves when all connections are closed, with the number of calls that were cut, which
 * is 0 if all have finished in time.
 */
export async function shutDown(
  steps: ShutdownSteps,
  { delayMs, idleMs, graceMs, abortMs }: ShutdownTimes,
): Promise<number> {
  steps.announce();
  if (delayMs > 0) await sleep(delayMs);
  const closed = steps.stopAccepting(idleMs).then(() => true as const);
  if (await isWithin(graceMs - abortMs, closed)) return 0;
  steps.abort();
  if (await isWithin(Math.min(graceMs, abortMs), closed)) return 0;
  const calls = await steps.cut();
  await closed;
  return calls;
}

/** Resolves with true as soon as `event` resolves, or with false after `ms`. */
async function isWithin(ms: number, event: Promise<true>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(Math.max(0, ms), false, { signal: timer.signal }).catch(() => false);
  const happened = await Promise.race([event, late]);
  timer.abort();
  return happened;
}
