/** Rounds of load on a warm server, each with the server's CPU time per call. */

import type { Cell } from "./cells.ts";
import { createCheck } from "./check.ts";
import { load } from "./load.ts";
import type { RunningServer } from "./server.ts";

/** How long things take, in seconds. */
export interface Pace {
  readonly warm: number;
  readonly round: number;
}

export interface Round {
  /** The server's, without what its connections cost. */
  readonly cpuMicroseconds: number;
  readonly callsPerSecond: number;
  /** The part of the round in which the server's core was busy. */
  readonly busy: number;
}

/** Warms the server, and gives what makes one round. It rejects where an answer is wrong. */
export async function warmUp(cell: Cell, server: RunningServer, pace: Pace): Promise<() => Promise<Round>> {
  const { authority } = server;
  const check = createCheck(cell, authority);
  await check();
  // A round's connections, and the first calls on them, are made in every round and taken off.
  const first = cell.connections * cell.streams;
  let calls = 2 * first;
  for (let warmed = 0; warmed < pace.warm; ) {
    const { seconds } = await load(cell, authority, calls);
    warmed += seconds;
    calls = Math.max(2 * first, Math.min(4 * calls, Math.ceil((calls / seconds) * pace.round)));
  }
  const measure = async (calls: number) => {
    const before = server.cpuSeconds();
    const { seconds } = await load(cell, authority, calls);
    const busy = (server.cpuSeconds() - before) / seconds;
    await server.settle();
    return { cpu: server.cpuSeconds() - before, seconds, busy };
  };
  let connecting = 0;
  for (let i = 0; i < CONNECTING_ROUNDS; i++) connecting += (await measure(first)).cpu / CONNECTING_ROUNDS;
  return async () => {
    const { cpu, seconds, busy } = await measure(calls);
    await check();
    const cpuMicroseconds = ((cpu - connecting) / (calls - first)) * 1e6;
    return { cpuMicroseconds, callsPerSecond: calls / seconds, busy };
  };
}

/** So many that the kernel's 10 ms of resolution are few. */
const CONNECTING_ROUNDS = 5;
