/** The model of docs/scale.md: its figures are those of the document, it has the limits that are known, and it can fail. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MEASURED } from "../../docs/scale/assumptions.ts";
import { scaleDocument } from "../../docs/scale/document.ts";
import { Fleet, type Policy, seeded } from "../../docs/scale/model.ts";
import {
  POLICIES,
  peakOf,
  predictRollout,
  rollout,
  scaleOut,
  spreadByCall,
  spreadByConnection,
  storms,
} from "../../docs/scale/scenarios.ts";
import { average, predictSplit, SPLIT } from "../../docs/scale/split.ts";
import { ROOT } from "../support/command.ts";

const AGE_SECONDS = 300;
/** The difference between measured shares and predicted ones that is due to chance: each is of few connections and runs. */
const CHANCE = 0.2;
const SCALE_OUT = { replicas: 10, added: 2, connections: 12_000 };

function near(actual: number, expected: number, part: number): void {
  assert.ok(Math.abs(actual - expected) <= part * expected, `${actual} is not within ${part} of ${expected}`);
}

test("docs/scale.md has the figures of the model: tools/node.sh docs/scale/document.ts writes them", () => {
  assert.equal(readFileSync(join(ROOT, "docs/scale.md"), "utf8"), scaleDocument());
});

test("docs/deploy.md and docs/limits.md have the measured memory of a connection after its first call", () => {
  const kib = (bytes: number) => (bytes / 1024).toFixed(0);
  const [plain, tls] = [kib(MEASURED.connectionBytes), kib(MEASURED.tlsConnectionBytes)];
  const words = (name: string) => readFileSync(join(ROOT, "docs", name), "utf8").replaceAll(/\s+/g, " ");
  const deploy = words("deploy.md");
  assert.ok(deploy.includes(`After its first call, it uses ${plain} KiB, or ${tls} KiB over TLS`));
  const limits = words("limits.md");
  assert.ok(
    limits.includes(`after its first call, an idle HTTP/2 connection uses about ${plain} KiB, or ${tls} KiB with TLS`),
  );
});

test("connections at random have the variance of a binomial distribution, and those in turn have none", () => {
  const [replicas, each] = [50, 100];
  const variance = (policy: "random" | "round robin") => {
    const random = seeded(1);
    return average(
      Array.from({ length: 40 }, () => {
        const fleet = new Fleet({ policy, ageSeconds: Infinity, random });
        for (let i = 0; i < replicas; i++) fleet.start();
        fleet.connect(replicas * each);
        return average(fleet.loads().map((load) => (load - each) ** 2));
      }),
    );
  };
  near(variance("random"), each * (1 - 1 / replicas), 0.05);
  assert.equal(variance("round robin"), 0);
});

test("the peak of two replicas at random is that of the binomial distribution", () => {
  // Two replicas with 100 connections: 95 of 100 splits are at most 60 to 40.
  near(spreadByConnection("random", 2, 50), 1.2, 0.02);
  assert.equal(spreadByConnection("round robin", 2, 50), 1);
  assert.equal(spreadByCall(10, 100), 1);
});

test("after a scale-out, the share grows linearly with a fixed age, and exponentially with lifetimes of clients", () => {
  const times = [0.25, 0.5, 1, 1.1].map((ages) => ages * AGE_SECONDS);
  const fixed = scaleOut({ policy: "random", ageSeconds: AGE_SECONDS }, SCALE_OUT, times);
  for (const [i, share] of [0.25, 0.5, 1, 1].entries()) near(fixed[i] ?? 0, share, 0.05);
  const lifetimes = scaleOut({ policy: "random", ageSeconds: AGE_SECONDS, lifetimes: "exponential" }, SCALE_OUT, times);
  for (const [i, ages] of [0.25, 0.5, 1, 1.1].entries()) near(lifetimes[i] ?? 0, 1 - Math.exp(-ages), 0.05);
});

test("without an age, new replicas get no connections", () => {
  for (const policy of POLICIES) assert.deepEqual(scaleOut({ policy, ageSeconds: Infinity }, SCALE_OUT, [1e6]), [0]);
});

test("with least connections, new replicas are full when as many connections have closed as their share is", () => {
  const part = SCALE_OUT.added / (SCALE_OUT.replicas + SCALE_OUT.added);
  const times = [0.5 * part, 1.05 * part].map((ages) => ages * AGE_SECONDS);
  const [half = 0, full = 0] = scaleOut({ policy: "least connections", ageSeconds: AGE_SECONDS }, SCALE_OUT, times);
  near(half, 0.5, 0.05);
  near(full, 1, 0.01);
});

test("jitter spreads connections that began together, and without jitter all close in the same second", () => {
  assert.deepEqual(storms(AGE_SECONDS, 10_000, 0, [1, 10]), [10_000, 10_000]);
  const [first = 0, tenth = 0] = storms(AGE_SECONDS, 10_000, 0.1, [1, 10]);
  const evenly = 10_000 / (0.2 * AGE_SECONDS); // in the first round, over a fifth of the age
  assert.ok(first > evenly && first < 1.35 * evenly, String(first));
  assert.ok(tenth < 0.6 * first, String(tenth));
});

test("a rollout one by one at random loads the last old replica by e, and the fewest connections keep the load even", () => {
  const plan = { replicas: 100, perReplica: 1_000, batch: 1, stepSeconds: 1 };
  const byRandom = rollout("random", Infinity, plan, 1);
  near(byRandom.peak, Math.E, 0.06);
  near(byRandom.reconnects, Math.E - 1, 0.02);
  assert.equal(byRandom.evenAfterSeconds, Infinity);
  const byLeast = rollout("least connections", Infinity, plan, 1);
  near(byLeast.peak, 1, 0.01);
  near(byLeast.reconnects, 1, 0.01);
});

test("the prediction is near the measured split behind HAProxy, and far from it without the age", () => {
  for (const policy of POLICIES) {
    const { newShare, peak, calls } = { ...MEASURED.splits[policy] };
    assert.ok(calls > 10_000);
    const isNear = (ageSeconds: number): boolean => {
      const predicted = predictSplit(policy, ageSeconds);
      const pairs = newShare.map((share, i) => [share, predicted.newShare[i] ?? Number.NaN] as const);
      return [...pairs, [peak, predicted.peak] as const].every(([a, b]) => Math.abs(a - b) <= CHANCE);
    };
    assert.ok(isNear(SPLIT.ageSeconds), policy);
    assert.ok(!isNear(Infinity), policy);
    assert.ok(!isNear(4 * SPLIT.ageSeconds), policy);
  }
});

test("the predicted rollout is near the measured one behind HAProxy, and far from it with another balancer", () => {
  const isNear = (policy: Policy, predicted: Policy): boolean => {
    const { peak, lastShare } = predictRollout(predicted);
    const real = MEASURED.rollouts[policy];
    return Math.abs(peak - real.peak) <= CHANCE && Math.abs(lastShare - real.lastShare) <= CHANCE;
  };
  for (const policy of POLICIES) assert.ok(isNear(policy, policy), policy);
  assert.ok(!isNear("random", "least connections"));
  assert.ok(!isNear("least connections", "random"));
});

test("the peak is the largest load divided by the mean", () => {
  assert.equal(peakOf([1, 2, 3]), 1.5);
});
