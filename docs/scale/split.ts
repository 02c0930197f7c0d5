/** The experiments by which the model is compared with real servers behind HAProxy, and the prediction of the first one. */
import { Fleet, type Policy, seeded } from "./model.ts";

/** A number of servers is in use when another one is added. */
export interface SplitPlan {
  readonly connections: number;
  /** The number of servers with the one that is added. */
  readonly servers: number;
  readonly ageSeconds: number;
  /** Times after the addition, in ages, at which the share of the new server is read. */
  readonly newShareAfter: readonly number[];
  /** The number of later readings of the busiest server. */
  readonly samples: number;
  readonly runs: number;
}

export const SPLIT: SplitPlan = {
  connections: 64,
  servers: 4,
  ageSeconds: 2,
  newShareAfter: [0.25, 0.5, 1.2],
  samples: 4,
  runs: 5,
};

/** The interval at which the server checks an age of 2 s: a quarter of it, and never more than 1 s (src/server/http2/server.ts). */
export const CHECK_SECONDS = SPLIT.ageSeconds / 4;

/** The second experiment: all servers are replaced one by one, without an age. */
export const ROLLOUT = { replicas: 6, perReplica: 16, runs: 7 };

export interface Split {
  /** The connections of the new server, divided by an equal share, at the times of the plan. */
  readonly newShare: readonly number[];
  /** The connections of the busiest server, divided by an equal share. */
  readonly peak: number;
}

/** The content of measured.json. */
export interface Measured {
  readonly date: string;
  readonly machine: string;
  /** CPU time of the server for a connection with one call, plain and over TLS. */
  readonly connectionMicroseconds: number;
  readonly tlsConnectionMicroseconds: number;
  /** Memory of the server for such a connection, which is then idle. */
  readonly connectionBytes: number;
  readonly tlsConnectionBytes: number;
  /** The peak during the rollout, and the share of the server that was replaced last, both as medians of the runs. */
  readonly rollouts: Readonly<
    Record<Policy, { readonly peak: number; readonly lastShare: number; readonly calls: number }>
  >;
  readonly splits: Readonly<Record<Policy, Split & { readonly calls: number }>>;
}

/** The number of simulated runs. */
const RUNS = 500;

/** Returns the split that the model predicts: the average over many runs. */
export function predictSplit(policy: Policy, ageSeconds = SPLIT.ageSeconds): Split {
  const { connections, servers, newShareAfter, samples } = SPLIT;
  const random = seeded(1);
  const all = Array.from({ length: RUNS }, (): Split => {
    const fleet = new Fleet({ policy, ageSeconds, checkSeconds: CHECK_SECONDS, random });
    for (let i = 1; i < servers; i++) fleet.start();
    fleet.connect(connections);
    const added = fleet.start();
    const after = (ages: number): readonly number[] => {
      fleet.runTo(ages * SPLIT.ageSeconds);
      return [added, ...fleet.ready.filter((each) => each !== added)].map((each) => fleet.connectionsOf(each));
    };
    const newShare = newShareAfter.map((ages) => newShareAt(after(ages)));
    const last = newShareAfter.at(-1) ?? 0;
    const peaks = Array.from({ length: samples }, (_, i) => Math.max(...after(last + 1.1 * (i + 1))));
    return { newShare, peak: (average(peaks) * servers) / connections };
  });
  return {
    newShare: newShareAfter.map((_, i) => average(all.map(({ newShare }) => newShare[i] as number))),
    peak: average(all.map(({ peak }) => peak)),
  };
}

/** Returns the part of an equal share that the first of these servers has. */
export function newShareAt([first = 0, ...others]: readonly number[]): number {
  return (first * (others.length + 1)) / (first + others.reduce((sum, load) => sum + load, 0));
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
