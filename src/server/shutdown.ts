/** How a server ends without losing a call: a sequence over what it is given. */
import { setTimeout as sleep } from "node:timers/promises";

export interface DrainTimes {
  /** From the announcement to the last new connection: load balancers need this long to see that it does not serve. */
  readonly delayMs: number;
  /** From then on, how long a connection without a call may still bring one: it may be on its way. */
  readonly idleMs: number;
  /** From then on, how long calls under way may take. */
  readonly graceMs: number;
  /** How long before the end of that handlers are told, and streams ended. */
  readonly abortMs: number;
}

/** The default of delayMs beyond loopback: two health checks of a load balancer, which come every second or two. */
export const DEFAULT_DELAY_MS = 5_000;
const DEFAULTS: DrainTimes = Object.freeze({
  delayMs: DEFAULT_DELAY_MS,
  idleMs: 1_000,
  graceMs: 10_000,
  abortMs: 1_000,
});

/** Times of which some may be left to their defaults. */
export type GivenDrainTimes = { readonly [K in keyof DrainTimes]?: DrainTimes[K] | undefined };

/** Returns the given times with defaults. There is no delay if only this machine reaches the server: nothing balances load. */
export function drainTimes(given: GivenDrainTimes, isLocal: boolean): DrainTimes {
  const set = Object.fromEntries(Object.entries(given).filter(([, ms]) => ms !== undefined));
  return { ...DEFAULTS, ...(isLocal && { delayMs: 0 }), ...set };
}

export interface Drainable {
  /** Says that this server goes: by its health, and at the end of each answer whose protocol has a word for it. */
  announce(): void;
  /** Takes no more connections, and no calls but those on their way; settles when the last connection is closed. */
  leave(idleMs: number): Promise<void>;
  /** Tells handlers to stop, and ends streams. */
  abort(): void;
  /** Answers the calls that can still be answered, ends all connections, and gives the number of calls that it cut. */
  cut(): Promise<number>;
}

/** Gives the number of calls that were cut: 0 where all had ended in time. Times are in milliseconds. */
export async function drain(server: Drainable, { delayMs, idleMs, graceMs, abortMs }: DrainTimes): Promise<number> {
  server.announce();
  if (delayMs > 0) await sleep(delayMs);
  const left = server.leave(idleMs).then(() => true as const);
  if (await within(graceMs - abortMs, left)) return 0;
  server.abort();
  if (await within(Math.min(graceMs, abortMs), left)) return 0;
  const calls = await server.cut();
  await left;
  return calls;
}

/** Whether it happens within the time. */
async function within(ms: number, happens: Promise<true>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(Math.max(0, ms), false, { signal: timer.signal }).catch(() => false);
  const happened = await Promise.race([happens, late]);
  timer.abort();
  return happened;
}
