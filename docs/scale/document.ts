/** Writes docs/scale.md from the model and the measurements. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BENCHMARK, MEASURED } from "./assumptions.ts";
import { JITTER, type Policy } from "./model.ts";
import {
  CALLS,
  POLICIES,
  predictRollout,
  type Rollout,
  type RolloutPlan,
  rollout,
  scaleOut,
  spreadByCall,
  spreadByConnection,
  storms,
} from "./scenarios.ts";
import { CHECK_SECONDS, predictSplit, ROLLOUT, SPLIT } from "./split.ts";

/** Ages of connections by the names of the tables, in seconds. */
const AGES: readonly (readonly [string, number])[] = [
  ["off", Infinity],
  ["30 min", 1_800],
  ["5 min", 300],
  ["1 min", 60],
];
const AGE_SECONDS = 300;
const ONE_BY_ONE: RolloutPlan = { replicas: 100, perReplica: 100, batch: 1, stepSeconds: 10 };
const QUARTERS: RolloutPlan = { ...ONE_BY_ONE, batch: 25, stepSeconds: 40 };
const SCALE_OUT = { replicas: 10, added: 2, connections: 1_200 };
const STORM_CONNECTIONS = 10_000;
const STORM_ROUNDS = [1, 2, 3, 5, 10, 20];
const REPLICAS = 100;
const PROXIES = { proxies: 10, connections: 4 };

/** Returns the text of docs/scale.md. Takes some seconds. */
export function scaleDocument(): string {
  return `# Scale

The spread of load over many replicas, computed by a model, because 100 replicas do not fit on the machine of the tests.
\`tools/node.sh docs/scale/document.ts\` writes this file in a few seconds. Its random numbers are the same in each run.

- A **replica** is one process with one core. A **balancer of connections** (layer 4) chooses a replica for each new connection:
  a Kubernetes Service chooses at random, others take turns (round robin) or choose the one with the fewest connections.
- A **balancer of calls** (layer 7) chooses for each call: Envoy, nginx, HAProxy in HTTP mode, or a client with \`round_robin\`.
- The **peak** is the load of the busiest replica, divided by the mean, which is an equal share. With a peak of 1.5, the busiest
  replica is full at a mean load of two thirds. So plan for the peak.

${validation()}

${assumptions()}

${spread()}

${scaleOuts()}

${stormSection()}

${rollouts()}

${connectionCosts()}

## Know what the model leaves out

- Clients that wait before they connect again. All connect at once here, which is the worst case for storms.
- Calls that differ in cost, except in the column of busy clients. In a real service, they add to each peak.
- Replicas that differ in speed, and replicas that fail.
- Balancers that are several processes. Each of these counts only its own connections, so "least connections" is less even.
`;
}

function validation(): string {
  const rows = POLICIES.map((policy) => {
    const { newShare, peak } = predictSplit(policy);
    const real = MEASURED.splits[policy];
    const both = (a: number | undefined, b: number | undefined) => `${fixed(a)} / ${fixed(b)}`;
    return [policy, ...newShare.map((share, i) => both(share, real.newShare[i])), both(peak, real.peak)];
  });
  const times = SPLIT.newShareAfter.map((ages) => `new server after ${ages} ages`);
  const all = [...Object.values(MEASURED.splits), ...Object.values(MEASURED.rollouts)];
  const calls = all.reduce((sum, each) => sum + each.calls, 0);
  const replaced = POLICIES.map((policy) => {
    const { peak, lastShare } = predictRollout(policy);
    const real = MEASURED.rollouts[policy];
    return [policy, `${fixed(peak)} / ${fixed(real.peak)}`, `${fixed(lastShare)} / ${fixed(real.lastShare)}`];
  });
  return `## Compare the model with real servers

\`tools/node.sh docs/scale/measure.ts\` runs clients on grpc-js behind a real HAProxy in TCP mode. In the tables, the first figure
is the model's. The second one was measured on ${MEASURED.date}, on ${MEASURED.machine}. Of ${number(calls)} calls, none was lost.

${SPLIT.connections} clients call ${SPLIT.servers - 1} servers, whose maximum connection age is ${SPLIT.ageSeconds} s. Then another server starts. The table has the
connections of the new server at three times, and those of the busiest server later, both divided by an equal share. The measured
figures are averages of ${SPLIT.runs} runs, so they vary by 0.1 to 0.2.

${table(["balancer", ...times, "peak later"], rows)}

${ROLLOUT.replicas} servers with ${ROLLOUT.perReplica} clients each are replaced one by one, without an age. The table has the peak during the rollout, and the part of an
equal share that the last new server has at the end: medians of ${ROLLOUT.runs} runs.

${table(["balancer", "peak", "share of the last new server"], replaced)}

The servers have weight 256 in HAProxy. With weight 1, its \`random\` is uneven, because it chooses on a ring of hashes.`;
}

function assumptions(): string {
  const { callMicroseconds, connectionBytes, date } = BENCHMARK;
  const source = `[benchmark](performance.md), ${date}`;
  const measured = `\`docs/scale/measure.ts\`, ${MEASURED.date}`;
  return `## Know the assumptions

${table(
  ["assumption", "figure", "source"],
  [
    ["CPU time of a call, 16 calls at once on each connection", `${callMicroseconds["4 x 16"]} us`, source],
    ["CPU time of a call, one at once on each of 64 connections", `${callMicroseconds["64 x 1"]} us`, source],
    ["CPU time of a call, one at once on each of 1,000 connections", `${callMicroseconds["1000 x 1"]} us`, source],
    ["memory of a connection without calls", kib(connectionBytes), source],
    ["memory of a connection after its first call", kib(MEASURED.connectionBytes), measured],
    ["the same over TLS", kib(MEASURED.tlsConnectionBytes), measured],
    ["CPU time of a connection and one call", `${MEASURED.connectionMicroseconds.toFixed(0)} us`, measured],
    ["the same over TLS 1.3 with P-256", `${MEASURED.tlsConnectionMicroseconds.toFixed(0)} us`, measured],
    ["jitter of a connection's age, plus or minus", `${JITTER * 100} %`, "`src/server/limits/connection-age.ts`"],
    ["ages are checked, in the first comparison above", `every ${CHECK_SECONDS} s`, "`src/server/http2/server.ts`"],
    ["ages are checked, in all other tables", "at any time", "at most 1 s too early"],
    ["a client connects again", "at once", "the worst case"],
  ],
)}

The calls of the benchmark have a handler that does nothing. Add the CPU time of your own.`;
}

function spread(): string {
  const rows = [10, 100].flatMap((replicas) =>
    [4, 16, 64, 256].map((perReplica) => [
      String(replicas),
      String(perReplica),
      ...(["random", "round robin"] as const).flatMap((policy) => [
        fixed(spreadByConnection(policy, replicas, perReplica)),
        fixed(spreadByConnection(policy, replicas, perReplica, false)),
      ]),
      fixed(spreadByCall(replicas, replicas * perReplica)),
    ]),
  );
  return `## Balance by connection or by call

The table has the peak that 95 of 100 starts do not exceed. With busy clients, one client in ten makes ten times the calls of the
others. "Taking turns" also stands for the fewest connections, because both give each replica as many. By call, each client calls
the replicas in turn, until each replica has ${number(CALLS)} calls.

${table(
  [
    ...["replicas", "connections each", "at random", "at random, busy clients", "taking turns"],
    ...["taking turns, busy clients", "by call"],
  ],
  rows,
)}

A balancer of connections needs many connections for each replica, and clients that are alike. A balancer of calls needs neither.`;
}

function scaleOuts(): string {
  const times = [0.1, 0.25, 0.5, 0.75, 1, 1.1];
  const after = times.map((ages) => ages * AGE_SECONDS);
  const row = (name: string, policy: Policy, ageSeconds: number, lifetimes: "fixed" | "exponential" = "fixed") => [
    name,
    ...scaleOut({ policy, ageSeconds, lifetimes }, SCALE_OUT, after).map(fixed),
  ];
  const { replicas, added, connections } = SCALE_OUT;
  return `## Add replicas

${number(connections)} connections are spread over ${replicas} replicas, and ${added} more start. The table has the part of an equal share that these two
have after the time in the heading, in ages:

${table(
  ["balancer", ...times.map(String)],
  [
    row("any, age off", "least connections", Infinity),
    row("at random", "random", AGE_SECONDS),
    row("round robin", "round robin", AGE_SECONDS),
    row("least connections", "least connections", AGE_SECONDS),
    row("at random; clients end connections at any time", "random", AGE_SECONDS, "exponential"),
  ],
)}

At random, the share grows evenly, and is complete after 1.1 ages. With the fewest connections, all connections that close go to the
new replicas, so these are full after ${fixed(added / (replicas + added))} ages. A replica that is slow after its start then needs help (HAProxy:
\`slowstart\`).`;
}

function stormSection(): string {
  const mean = STORM_CONNECTIONS / AGE_SECONDS;
  const row = (jitter: number) => storms(AGE_SECONDS, STORM_CONNECTIONS, jitter, STORM_ROUNDS);
  const core = (perSecond: number) => ((perSecond * MEASURED.tlsConnectionMicroseconds) / 1e6).toFixed(2);
  const cells = (perSecond: readonly number[]) => perSecond.map((each) => `${number(each)} (${core(each)})`);
  return `## Connect again after an outage

All of ${number(STORM_CONNECTIONS)} connections are opened at the same time, with an age of ${AGE_SECONDS / 60} minutes. At its age, each closes and
opens again, which is a round. The table has the most that open within one second. In brackets are the cores that all replicas
together need for these over TLS. Spread evenly, it would be ${mean.toFixed(0)} connections (${core(mean)}).

${table(
  ["jitter", ...STORM_ROUNDS.map((round) => `round ${round}`)],
  [
    ["none", ...cells(row(0))],
    [`${JITTER * 100} %, the server's`, ...cells(row(JITTER))],
  ],
)}

Without jitter, the storm would come back with each age. The outage itself is the same storm: ${number(STORM_CONNECTIONS)} connections over TLS need
${core(STORM_CONNECTIONS)} seconds of CPU time.`;
}

function rollouts(): string {
  const row = (policy: Policy, [name, age]: readonly [string, number], plan: RolloutPlan) => {
    const { peak, lastShare, evenAfterSeconds, reconnects, storm }: Rollout = rollout(policy, age, plan);
    const even = evenAfterSeconds === Infinity ? "never" : `${evenAfterSeconds.toFixed(0)} s`;
    return [`${plan.batch}`, policy, name, fixed(peak), fixed(lastShare), even, reconnects.toFixed(1), cpu(storm)];
  };
  const cpu = (count: number) =>
    `${number(count)}: ${((count * MEASURED.tlsConnectionMicroseconds) / 1e6).toFixed(2)} s`;
  const { replicas, perReplica, stepSeconds } = ONE_BY_ONE;
  return `## Replace ${replicas} replicas

A rollout replaces ${replicas} replicas with ${perReplica} connections each, one every ${stepSeconds} s, or ${QUARTERS.batch} every ${QUARTERS.stepSeconds} s
(\`maxSurge: 25%\`, \`maxUnavailable: 0\`). New replicas start before old ones drain. The columns:

- **peak**: the highest during the rollout
- **last tenth**: the part of an equal share that the last tenth of the new replicas has at the end of the rollout
- **even after**: the time from the end of the rollout until these replicas have 0.9 of an equal share
- **reconnects**: how often a client connects again during the rollout, on average
- **storm**: the most connections that one drain ends at once, and the CPU time that all replicas then need for these over TLS

${table(
  ["at once", "balancer", "age", "peak", "last tenth", "even after", "reconnects", "storm"],
  [
    ...POLICIES.flatMap((policy) => AGES.map((age) => row(policy, age, ONE_BY_ONE))),
    ...POLICIES.flatMap((policy) => AGES.filter((_, i) => i % 2 === 0).map((age) => row(policy, age, QUARTERS))),
  ],
)}

At random, a connection that has to move may choose an old replica, which drains later. So the last old replica collects
connections: about e = 2.72 times the mean if many are replaced one by one. The newest replicas stay almost empty, until an
age moves connections.

- **Behind a balancer of connections at random**, plan for the peak of the table, or choose an age that is short beside the rollout.
- **With the fewest connections**, each new replica gets all connections of an old one at once. Over TLS, that is its first load.
- **By call**, the peak is 1, and a connection moves once.
- **Clients with round_robin** find new replicas by DNS, at most every 30 s. A rollout must leave them that time
  ([operations.md](operations.md#let-clients-choose-a-server-for-each-call)).`;
}

function connectionCosts(): string {
  const { proxies, connections } = PROXIES;
  const cost = (count: number) => {
    const memory = (count * MEASURED.tlsConnectionBytes) / 2 ** 20;
    const cpu = ((count / AGE_SECONDS) * MEASURED.tlsConnectionMicroseconds) / 1e4;
    return `${number(count)}: ${memory.toFixed(1)} MiB, ${cpu.toFixed(2)} %`;
  };
  const rows = [100, 1_000, 10_000].map((clients) => [
    number(clients),
    cost(clients / REPLICAS),
    cost(proxies * connections),
    cost(clients),
  ]);
  return `## Count connections

The connections of one of ${REPLICAS} replicas over TLS, their memory, and the part of a core that opening them takes with an age of
${AGE_SECONDS / 60} minutes. Each of ${proxies} proxies has ${connections} connections to each replica, as Envoy has one for each of its threads.

${table(["clients", "balancer of connections", `${proxies} proxies`, "clients with round_robin"], rows)}

Fewer connections with more calls each also make calls cheaper: ${BENCHMARK.callMicroseconds["4 x 16"]} us of CPU time with 16 calls at once on a
connection, and ${BENCHMARK.callMicroseconds["1000 x 1"]} us with one at once on each of 1,000. The limit \`--connections\` is 10,000 for a process.`;
}

function fixed(value = Number.NaN): string {
  return value.toFixed(2);
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

/** Returns a table of Markdown with columns of equal width. */
function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((_, i) => Math.max(...[headings, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [headings, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../scale.md"), scaleDocument());
