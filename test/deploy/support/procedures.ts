/** Does to the replicas under load what a test is about: restarts them in turn, or kills one. */
import assert from "node:assert/strict";
import { type Call, Load } from "./load.ts";
import type { Replica } from "./replicas.ts";

/** Calls that each replica must have served before it is ended. */
const SERVED = 5;
/** Time under load after the end of the killed replica. It is longer than nginx's fail_timeout, after which nginx tries again. */
const AFTER_MS = 3_000;
/** Time without new calls, in which a busy proxy can read that the connections of the killed replica are closed. */
const NOTICE_MS = 300;

/** Restarts the replicas in turn, each as often as `rounds`. Returns the load, which has ended. */
export async function rollingRestarts(url: string, replicas: readonly Replica[], rounds: number): Promise<Load> {
  const load = new Load(url);
  try {
    await Promise.all(replicas.map(({ id }) => load.reached(id, SERVED)));
    for (let round = 0; round < rounds; round++) {
      for (const replica of replicas) {
        assert.equal(await replica.stop("SIGTERM"), 0);
        await replica.start();
        await load.reached(replica.id, SERVED); // as an orchestrator waits until the new replica is ready
      }
    }
  } finally {
    await load.stop();
  }
  return load;
}

export interface Killed {
  readonly load: Load;
  /** The lost calls that were in flight at the end of the replica. */
  readonly inFlight: readonly Call[];
  /** The lost calls that began later, which the proxy could have sent to the other replica. */
  readonly avoidable: readonly Call[];
}

/** Kills one of the replicas under the load of several proxies. Returns the result of each. */
export async function killOne(
  urls: readonly string[],
  replicas: readonly Replica[],
  victim: Replica,
): Promise<Killed[]> {
  const loads = urls.map((url) => new Load(url));
  const stop = () => Promise.all(loads.map((load) => load.stop()));
  try {
    await Promise.all(loads.flatMap((load) => replicas.map(({ id }) => load.reached(id, SERVED))));
    assert.equal(await victim.stop("SIGKILL"), "SIGKILL");
    const held = loads.map((load) => load.hold(NOTICE_MS));
    const now = Date.now();
    const later = ({ begin }: Call): boolean => begin > now;
    await Promise.all(held);
    await Promise.all(loads.map((load) => load.until(() => load.calls.some(({ begin }) => begin > now + AFTER_MS))));
    await stop();
    return loads.map((load) => ({
      load,
      inFlight: load.failures.filter((call) => !later(call)),
      avoidable: load.failures.filter(later),
    }));
  } finally {
    await stop();
  }
}
