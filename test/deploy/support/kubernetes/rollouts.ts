/** Rollouts under the clients of the drill, which call the Service and the headless Service from the node. */
import { setTimeout as sleep } from "node:timers/promises";
import { brokenBounds } from "../../../restart/bounds.ts";
import { Calls } from "../../../restart/calls.ts";
import type { Client } from "../../../restart/client.ts";
import { CLIENTS } from "../../../restart/clients.ts";
import type { Restart } from "../../../restart/servers.ts";
import { table } from "../../../restart/table.ts";
import { type Deployment, NAME, PORT, REPLICAS } from "./deployment.ts";
import { HEADLESS_CLIENTS } from "./headless-clients.ts";

/** Time before the first rollout and after each, in which every client calls. */
const SERVE_MS = 3_000;
/** Time until a client that gave up starts again. */
const RETRY_MS = 10;

export interface Load {
  readonly rollouts: number;
  readonly seconds: number;
  readonly calls: number;
  /** The lost calls, without `lostByClose`. */
  readonly lost: number;
  /** Those of `lost` that clients of the headless Service made. */
  readonly lostOnHeadless: number;
  /** The calls that some clients lose whenever a server closes their connections, as test/restart explains. */
  readonly lostByClose: number;
}

/** The clients, with the names that they call. */
const TARGETS: ReadonlyMap<Client, string> = new Map<Client, string>([
  ...CLIENTS.map((client) => [client, `${NAME}:${PORT}`] as const),
  ...HEADLESS_CLIENTS.map((client) => [client, `${NAME}-headless:${PORT}`] as const),
]);

/** Makes rollouts under load. Returns its figures, and a sentence for each bound of the drill that is broken. */
export async function rollOut(deployment: Deployment, rollouts: number): Promise<{ load: Load; broken: string[] }> {
  const stop = new AbortController();
  const results = new Map([...TARGETS.keys()].map((client) => [client, new Calls()]));
  const loads = [...results].map(([client, calls]) => runOn(client, TARGETS.get(client) ?? "", calls, stop.signal));
  const began = performance.now();
  const restarts: Restart[] = [];
  await sleep(SERVE_MS);
  for (let i = 0; i < rollouts; i++) {
    const signalledAt = Date.now();
    await deployment.restart();
    restarts.push({ signalledAt, exitedAt: Date.now(), exit: 0 });
    await sleep(SERVE_MS);
  }
  stop.abort();
  await Promise.all(loads);
  console.log(table(results, restarts));
  const sum = (count: (client: Client, calls: Calls) => number): number =>
    results.entries().reduce((total, [client, calls]) => total + count(client, calls), 0);
  return {
    load: {
      rollouts,
      seconds: Math.round((performance.now() - began) / 1_000),
      calls: sum((_, { count }) => count),
      lost: sum(lostBy),
      lostOnHeadless: sum((client, calls) => (HEADLESS_CLIENTS.includes(client) ? lostBy(client, calls) : 0)),
      lostByClose: sum((client, calls) => calls.failed - lostBy(client, calls)),
    },
    broken: brokenBounds(results, restarts, { signalledAt: 0, exitedAt: 0, exit: 0 }, rollouts * REPLICAS),
  };
}

/** Runs the client until `stop` is aborted. A client that gives up, since it cannot connect, loses a call and starts again. */
async function runOn(client: Client, authority: string, calls: Calls, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await client.run(authority, calls, stop).catch((error: Error) => calls.add(Date.now(), 0, error.message));
    if (!stop.aborted) await sleep(RETRY_MS);
  }
}

/** Returns the number of lost calls for which the client has no reason of its own. */
function lostBy({ mayLose }: Client, calls: Calls): number {
  const [...failures] = calls.failures;
  return failures.reduce((sum, [reason, count]) => sum + (mayLose?.reason.test(reason) ? 0 : count), 0);
}
