/** What the drill knows of a client, and how one calls that lives in the drill's own process. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Calls } from "./calls.ts";

export interface Client {
  readonly name: string;
  /** Why it cannot run on this machine; undefined where it can. */
  readonly absent?: string | undefined;
  /** What its row of the table says besides figures. */
  readonly note?: string | undefined;
  /** What it may lose at each restart. A client that heeds GOAWAY and `Connection: close` may lose nothing. */
  readonly mayLose?: Loss | undefined;
  /** Whether at each restart a call of its own must be under way, and go well. */
  readonly mustSpan: boolean;
  /** Calls until it is told to stop, and resolves when its last call has ended. */
  run(authority: string, calls: Calls, stop: AbortSignal): Promise<void>;
}

export interface Loss {
  readonly calls: number;
  /** What the reason of each such failure matches. */
  readonly reason: RegExp;
}

/** ms in which a call has its answer, or has failed. */
export const CALL_MS = 10_000;

/** How many call at the same time. */
export const CALLERS = 4;
const MOST_PAUSE_MS = 10;

/** Calls from several callers at once, who pause between two calls: so connections are in use at one time and idle at another. */
export async function callOnAndOn(call: () => Promise<unknown>, calls: Calls, stop: AbortSignal): Promise<void> {
  async function caller(): Promise<void> {
    while (!stop.aborted) {
      await calls.make(call, CALL_MS);
      await sleep(Math.random() * MOST_PAUSE_MS);
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** How much longer a slow call is to take, in ms: each differently, or the callers might all pause at one time. */
export function slowness(): number {
  return Math.round(200 + Math.random() * 400);
}
