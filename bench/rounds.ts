/** Measures the CPU time per call, or per message of streams, of a warm server in rounds of load. */
import { type Cell, isStream } from "./cells.ts";
import { createCheck } from "./check.ts";
import { load } from "./load.ts";
import type { RunningServer } from "./server.ts";

/** The number of rounds that only open connections and make first calls. Their mean is needed, because they are short. */
const CONNECTING_ROUNDS = 5;

/** The lengths of the warm-up and of each round, in seconds of load. */
export interface Pace {
  readonly warm: number;
  readonly round: number;
}

export interface Round {
  /** CPU time of the server per call, or per message of a stream, without that of opening connections. */
  readonly cpuMicroseconds: number;
  readonly callsPerSecond: number;
  /** The part of the round in which the server's core was busy, from 0 to 1. */
  readonly busy: number;
}

/** Warms the server, and returns a function that measures one round. Both functions reject if a response is wrong. */
export async function warmUp(cell: Cell, server: RunningServer, pace: Pace): Promise<() => Promise<Round>> {
  const { authority } = server;
  const check = createCheck(cell, authority);
  await check();
  // Every round opens new connections. The CPU time of that is measured in rounds of only the first calls, and
  // subtracted.
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
    const cpuMicroseconds = ((cpu - connecting) / (calls - first) / (isStream(cell) ? cell.messages : 1)) * 1e6;
    return { cpuMicroseconds, callsPerSecond: calls / seconds, busy };
  };
}
