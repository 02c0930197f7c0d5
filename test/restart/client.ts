/** A client of the drill, and the loop of calls for clients in the drill's own process. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Calls } from "./calls.ts";

export interface Client {
  readonly name: string;
  /** The reason why the client cannot run on this machine; undefined if it can. */
  readonly absent?: string | undefined;
  /** A note for the client's row in the table. */
  readonly note?: string | undefined;
  /**
   * The calls that the client may lose when its connections are closed, at a restart or at their maximum age. A client that
   * follows GOAWAY and `Connection: close` may lose none.
   */
  readonly mayLose?: Loss | undefined;
  /** True if at each restart, a call of the client must be in flight and succeed. */
  readonly mustSpan: boolean;
  /** Makes calls until `stop` is aborted. Resolves when the last call has ended. */
  run(authority: string, calls: Calls, stop: AbortSignal): Promise<void>;
}

export interface Loss {
  readonly calls: number;
  /** Matches the reason of each such failure. */
  readonly reason: RegExp;
}

/** Milliseconds after which a call without a response has failed. */
export const CALL_MS = 10_000;

/** Callers of one client, which call at the same time. */
export const CALLERS = 4;
const MOST_PAUSE_MS = 10;

/**
 * Makes calls from several callers. Each pauses after a call, so that connections are sometimes in use and sometimes
 * idle.
 */
export async function callOnAndOn(call: () => Promise<unknown>, calls: Calls, stop: AbortSignal): Promise<void> {
  async function caller(): Promise<void> {
    while (!stop.aborted) {
      await calls.make(call, CALL_MS);
      await sleep(Math.random() * MOST_PAUSE_MS);
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/**
 * Returns the milliseconds by which a slow call is delayed. They vary, because otherwise all callers might pause at
 * once.
 */
export function slowness(): number {
  return Math.round(200 + Math.random() * 400);
}
