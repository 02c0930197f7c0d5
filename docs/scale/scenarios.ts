/** The scenarios of scale.md: functions from assumptions to the figures of its tables, by the model of model.ts. */
import { Fleet, type FleetOptions, type Policy, seeded } from "./model.ts";
import { average, median, ROLLOUT } from "./split.ts";

export const POLICIES: readonly Policy[] = ["random", "round robin", "least connections"];

/** One client in ten makes ten times the calls of the others. */
const BUSY_PART = 0.1;
const BUSY_RATE = 10;
/** Calls of a replica within the time for which the peak by call is computed. */
export const CALLS = 1_000;

/** Adds replicas and connections. */
function startFleet(options: FleetOptions, replicas: number, connections: number, isSteady = true): Fleet {
  const fleet = new Fleet(options);
  for (let i = 0; i < replicas; i++) fleet.start();
  fleet.connect(connections, isSteady);
  return fleet;
}

/** Returns the value that 95 in 100 values do not exceed. */
export function p95(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? Number.NaN;
}

/** Returns the peak of these loads, divided by their mean. */
export function peakOf(loads: readonly number[]): number {
  return Math.max(...loads) / average(loads);
}

/**
 * Returns the peak load of `replicas` that connections are balanced over: p95 of many trials. With `areEqual`, all
 * connections make as many calls.
 */
export function spreadByConnection(policy: Policy, replicas: number, perReplica: number, areEqual = true): number {
  const random = seeded(2);
  const trials = Math.max(200, Math.ceil(400_000 / (replicas * perReplica) / 10));
  return p95(
    Array.from({ length: Math.min(trials, 2_000) }, () => {
      const loads = new Array<number>(replicas).fill(0);
      const counts = new Array<number>(replicas).fill(0);
      for (let i = 0; i < replicas * perReplica; i++) {
        const at = policy === "random" ? Math.floor(random() * replicas) : i % replicas;
        const isBusy = !areEqual && random() < BUSY_PART;
        counts[at] = (counts[at] ?? 0) + 1;
        loads[at] = (loads[at] ?? 0) + (isBusy ? BUSY_RATE : 1);
      }
      return peakOf(loads);
    }),
  );
}

/** Returns the peak load if each client makes its calls at the replicas in turn, from a first one of its own. */
export function spreadByCall(replicas: number, clients: number): number {
  const random = seeded(3);
  const perClient = Math.ceil((CALLS * replicas) / clients);
  return p95(
    Array.from({ length: 200 }, () => {
      const loads = new Array<number>(replicas).fill(0);
      for (let client = 0; client < clients; client++) {
        const first = Math.floor(random() * replicas);
        for (let call = 0; call < perClient; call++) {
          const at = (first + call) % replicas;
          loads[at] = (loads[at] ?? 0) + 1;
        }
      }
      return peakOf(loads);
    }),
  );
}

/** Returns the part of an equal share that the new replicas have at each of these times, in ages, after a scale-out. */
export function scaleOut(
  options: Omit<FleetOptions, "random">,
  { replicas, added, connections }: { readonly replicas: number; readonly added: number; readonly connections: number },
  afterSeconds: readonly number[],
): number[] {
  const random = seeded(4);
  const runs = Array.from({ length: 20 }, () => {
    const fleet = startFleet({ ...options, random }, replicas, connections);
    const fresh = Array.from({ length: added }, () => fleet.start());
    return afterSeconds.map((seconds) => {
      fleet.runTo(seconds);
      const share = (connections * added) / (replicas + added);
      return fresh.reduce((sum, replica) => sum + fleet.connectionsOf(replica), 0) / share;
    });
  });
  return afterSeconds.map((_, i) => average(runs.map((run) => run[i] as number)));
}

/**
 * Returns the largest number of connections that are opened again within a second, in each round of ages. All connections
 * were opened at the same time, as after an outage.
 */
export function storms(ageSeconds: number, connections: number, jitter: number, rounds: readonly number[]): number[] {
  const fleet = startFleet(
    { policy: "random", ageSeconds, jitter, random: seeded(5) },
    1,
    connections,
    false, // the ages begin now
  );
  const perSecond: number[] = [];
  for (let second = 1; second <= Math.ceil(ageSeconds * (Math.max(...rounds) + 0.5)); second++) {
    const before = fleet.reconnects;
    fleet.runTo(second);
    perSecond.push(fleet.reconnects - before);
  }
  const within = (round: number) => perSecond.slice(ageSeconds * (round - 0.5), ageSeconds * (round + 0.5));
  return rounds.map((round) => Math.max(...within(round)));
}

export interface RolloutPlan {
  readonly replicas: number;
  readonly perReplica: number;
  /** The number of replicas that are replaced at once. */
  readonly batch: number;
  /** Time for one batch: the new replicas start, and then the old ones drain. */
  readonly stepSeconds: number;
}

export interface Rollout {
  /** The largest load of a replica during the rollout, divided by an equal share. */
  readonly peak: number;
  /** The part of an equal share that the tenth of the replicas has at the end that was replaced last. */
  readonly lastShare: number;
  /** Time from the end until this tenth has 0.9 of its share. Infinity if it never has. */
  readonly evenAfterSeconds: number;
  /** Connections that are opened again during the rollout, for each connection. */
  readonly reconnects: number;
  /** The largest number of connections that a drain ends at once. */
  readonly storm: number;
}

/** Replaces all replicas, batch by batch. A batch of new replicas starts before the old ones drain. Median of some runs. */
export function rollout(policy: Policy, ageSeconds: number, plan: RolloutPlan, runs = 5): Rollout {
  const all = Array.from({ length: runs }, (_, i) => rolloutOnce(policy, ageSeconds, plan, seeded(6 + i)));
  const of = (key: keyof Rollout) => median(all.map((run) => run[key]));
  return {
    peak: of("peak"),
    lastShare: of("lastShare"),
    evenAfterSeconds: of("evenAfterSeconds"),
    reconnects: of("reconnects"),
    storm: of("storm"),
  };
}

/** Returns the rollout that the model predicts for the experiment with real servers. */
export function predictRollout(policy: Policy): Rollout {
  return rollout(policy, Infinity, { ...ROLLOUT, batch: 1, stepSeconds: 1 }, 401);
}

function rolloutOnce(policy: Policy, ageSeconds: number, plan: RolloutPlan, random: () => number): Rollout {
  const { replicas, perReplica, batch, stepSeconds } = plan;
  const connections = replicas * perReplica;
  const fleet = startFleet({ policy, ageSeconds, random }, replicas, connections);
  let peak = 0;
  let storm = 0;
  const look = (): void => {
    for (const load of fleet.loads()) peak = Math.max(peak, load / perReplica);
  };
  for (let old = 0; old < replicas; old += batch) {
    const leaving = fleet.ready.slice(0, batch);
    for (let i = 0; i < batch; i++) fleet.start();
    const before = fleet.reconnects;
    fleet.drain(...leaving);
    storm = Math.max(storm, fleet.reconnects - before);
    look();
    fleet.runTo(fleet.now + stepSeconds);
    look();
  }
  const { reconnects } = fleet;
  const end = fleet.now;
  const tenth = Math.max(1, Math.floor(replicas / 10));
  const lastShare = () => average(fleet.loads().slice(-tenth)) / perReplica;
  const atEnd = lastShare();
  const limit = ageSeconds === Infinity ? end : end + 3 * ageSeconds;
  while (lastShare() < 0.9 && fleet.now < limit) fleet.runTo(fleet.now + ageSeconds / 100);
  const evenAfterSeconds = lastShare() >= 0.9 ? fleet.now - end : Infinity;
  return { peak, lastShare: atEnd, evenAfterSeconds, reconnects: reconnects / connections, storm };
}
