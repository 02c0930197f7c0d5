/** Tests docs/deploy.md: its alerts name real metrics, fire on the series that they are for, and are silent on healthy ones. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shutdownTimes } from "../../src/server/shutdown.ts";
import { ROOT, run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { codeBlocks } from "../support/markdown.ts";

type Labels = Readonly<Record<string, string>>;
/** The values of a series, one a minute, in the notation of promtool: `1x60` is 60 times 1, and `0+60x60` counts. */
type Series = Readonly<Record<string, string>>;

const CALLS = "rpc_server_call_duration_seconds";
const A = { job: "server", instance: "a" };
const B = { job: "server", instance: "b" };
/** Selects the replicas in the rules. */
const SELECTOR = '{job="server"}';

/** The series of two replicas without a problem, by the names of metrics. */
const HEALTHY: Readonly<Record<string, readonly (readonly [Labels, string])[]>> = {
  up: both("1x60"),
  [`${CALLS}_count`]: both("0+6000x60"),
  [`${CALLS}_bucket`]: [
    [{ ...A, le: "0.05" }, "0+6000x60"],
    [{ ...A, le: "0.5" }, "0+6000x60"],
    [{ ...A, le: "+Inf" }, "0+6000x60"],
  ],
  process_cpu_seconds_total: both("0+30x60"),
  process_resident_memory_bytes: both("100000000x60"),
  rpc_server_connections: both("100x60"),
  process_open_fds: both("120x60"),
  process_max_fds: both("20000x60"),
  rpc_server_draining: both("0x60"),
  rpc_server_refusals_total: [[{ ...A, reason: "tls" }, "0+1x60"]],
  rpc_server_worker_crashes_total: both("0x60"),
};

interface Problem {
  /** Series that differ from the healthy ones. */
  readonly series: typeof HEALTHY;
  /** Labels of the alert. */
  readonly labels: Labels;
}

/** For each alert, a problem that it is for. */
const PROBLEMS: Readonly<Record<string, Problem>> = {
  ReplicasAreMissing: {
    series: {
      up: [
        [A, "1x60"],
        [B, "1x10 0x50"],
      ],
    },
    labels: { job: "server" },
  },
  LoadIsUneven: {
    series: {
      [`${CALLS}_count`]: [
        [A, "0+6000x60"],
        [B, "0+600x60"],
      ],
    },
    labels: { job: "server" },
  },
  CoreIsFull: {
    series: {
      process_cpu_seconds_total: [
        [A, "0+50x60"],
        [B, "0+30x60"],
      ],
    },
    labels: A,
  },
  CallsAreSlow: {
    series: {
      [`${CALLS}_bucket`]: [
        [{ ...A, le: "0.05" }, "0+5000x60"],
        [{ ...A, le: "0.5" }, "0+6000x60"],
        [{ ...A, le: "+Inf" }, "0+6000x60"],
      ],
    },
    labels: { job: "server" },
  },
  MemoryIsShort: { series: { process_resident_memory_bytes: [[A, "250000000x60"]] }, labels: A },
  ConnectionsNearLimit: {
    series: {
      rpc_server_connections: [
        [{ ...A, http_version: "1.1" }, "4500x60"],
        [{ ...A, http_version: "2" }, "4500x60"],
      ],
    },
    labels: A,
  },
  DescriptorsNearLimit: { series: { process_open_fds: [[A, "17000x60"]] }, labels: A },
  DrainHangs: { series: { rpc_server_draining: [[A, "1x60"]] }, labels: A },
  ConnectionsRefused: {
    series: { rpc_server_refusals_total: [[{ ...A, reason: "tls" }, "0+120x60"]] },
    labels: { job: "server", reason: "tls" },
  },
  WorkersCrash: { series: { rpc_server_worker_crashes_total: [[A, "0x20 1x40"]] }, labels: A },
};

/** Further problems, by their alerts. */
const MORE_PROBLEMS: readonly (readonly [string, Problem])[] = [
  ["ReplicasAreMissing", { series: { up: both("1x10 0x50") }, labels: { job: "server" } }], // all replicas are down
  ["ReplicasAreMissing", { series: { up: [] }, labels: { job: "server" } }], // Prometheus finds none
];

/** The series of another service, which has all problems. Each rule must leave it out. */
const OTHER: typeof HEALTHY = Object.assign(
  {},
  ...[HEALTHY, ...Object.values(PROBLEMS).map(({ series }) => series), { up: [[A, "1x60"]] as const }].map((series) =>
    Object.fromEntries(
      Object.entries(series).map(([metric, all]) => [metric, all.map(([labels, values]) => [other(labels), values])]),
    ),
  ),
);

function other(labels: Labels): Labels {
  return { ...labels, job: "other" };
}

function both(values: string): readonly (readonly [Labels, string])[] {
  return [
    [A, values],
    [B, values],
  ];
}

async function readRules(): Promise<string> {
  const markdown = await readFile(join(ROOT, "docs/deploy.md"), "utf8");
  const block = codeBlocks(markdown).find(({ text }) => text.startsWith("# replicas.yml"));
  assert.ok(block);
  return block.text;
}

test("each alert of docs/deploy.md fires on its problem, and none fires on healthy replicas", async (t) => {
  const promtool = findJudge(t, "promtool");
  if (promtool === undefined) return;
  const rules = await readRules();
  const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = ""]) => name);
  assert.deepEqual(alerts.toSorted(), Object.keys(PROBLEMS).toSorted());
  const lines = (series: typeof HEALTHY): Series[] =>
    Object.entries(series).flatMap(([metric, all]) =>
      all.map(([labels, values]) => ({
        series: `${metric}${JSON.stringify(labels).replaceAll(/"(\w+)":/g, "$1=")}`,
        values,
      })),
    );
  const inputs = (series: typeof HEALTHY): Series[] => [...lines(series), ...lines(OTHER)];
  const expect = (alertname: string, expected: readonly Labels[]) => ({
    eval_time: "30m",
    alertname,
    exp_alerts: expected.map((exp_labels) => ({ exp_labels })),
  });
  const cases = [...Object.entries(PROBLEMS), ...MORE_PROBLEMS].map(([name, { series, labels }]) => ({
    interval: "1m",
    input_series: inputs({ ...HEALTHY, ...series }),
    alert_rule_test: [expect(name, [labels])],
  }));
  const healthy = {
    interval: "1m",
    input_series: inputs(HEALTHY),
    alert_rule_test: alerts.map((name) => expect(name, [])),
  };
  const folder = await mkdtemp(join(tmpdir(), "alerts-"));
  t.after(() => rm(folder, { recursive: true }));
  const judge = async (tests: readonly unknown[], text = rules) => {
    await writeFile(join(folder, "replicas.yml"), text);
    const file = join(folder, "test.yml"); // JSON is YAML
    await writeFile(file, JSON.stringify({ rule_files: ["replicas.yml"], evaluation_interval: "1m", tests }));
    return run(promtool, ["test", "rules", file]);
  };
  const { code, stdout, stderr } = await judge([...cases, healthy]);
  assert.equal(code, 0, stdout + stderr);
  // The same expectations on healthy series fail, so promtool does check them.
  const wrong = await judge(cases.map((each) => ({ ...each, input_series: inputs(HEALTHY) })));
  assert.notEqual(wrong.code, 0);
  // Without its selector, each rule fires on the other service.
  const everywhere = {
    ...healthy,
    alert_rule_test: Object.entries(PROBLEMS).map(([name, { labels }]) => expect(name, [other(labels)])),
  };
  const unselected = await judge([everywhere], rules.replaceAll(SELECTOR, ""));
  assert.equal(unselected.code, 0, unselected.stdout + unselected.stderr);
});

test("docs/observability.md describes each metric of docs/deploy.md", async () => {
  const described = await readFile(join(ROOT, "docs/observability.md"), "utf8");
  const names =
    (await readFile(join(ROOT, "docs/deploy.md"), "utf8")).match(/\b(?:rpc_server|process|nodejs)_\w+/g) ?? [];
  assert.ok(names.length > 10);
  const metrics = names.map((name) => name.replace(/(?<=call_duration_seconds)_(?:count|bucket|sum)$/, ""));
  assert.deepEqual(
    metrics.filter((name) => !described.includes(`\`${name}\``)),
    [],
  );
});

test("docs/deploy.md has the names, times and peaks of the example, the server and docs/scale.md", async () => {
  const read = (path: string) => readFile(join(ROOT, path), "utf8");
  const [deploy, scale] = [(await read("docs/deploy.md")).replaceAll(/\s+/g, " "), await read("docs/scale.md")];
  const example = await read("deploy/kubernetes/overlays/example/kustomization.yaml");
  const [, namespace] = /^namespace: (\S+)$/m.exec(example) ?? [];
  const [, prefix] = /^namePrefix: (\S+)$/m.exec(example) ?? [];
  assert.ok(deploy.includes(`\`NAMESPACE\` is \`${namespace}\` and \`NAME\` is \`${prefix}connect-server\``));
  assert.doesNotMatch(deploy, /kubectl rollout|kubectl set/); // without a namespace
  const [, peak = ""] = /^\| 1 +\| random +\| off +\| ([\d.]+)/m.exec(scale) ?? [];
  assert.ok(deploy.includes(`has up to ${Number(peak).toFixed(1)} times its share`), peak);
  const { delayMs, graceMs } = shutdownTimes({}, false);
  const drain = `${(delayMs + graceMs) / 1_000} s`;
  assert.ok(deploy.includes(`DRAIN_DELAY_MS and GRACE_MS, ${drain}, at most`), drain);
  assert.ok(deploy.includes(`\`DRAIN_DELAY_MS\` and \`GRACE_MS\`, ${drain} by default`), drain);
});
