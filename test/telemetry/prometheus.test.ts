/**
 * Tests metrics with a real Prometheus, promtool and ghz: counts, cardinality, the table of docs/observability.md and the
 * queries of the dashboard. All tests use one server, which has TLS.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMIT_NAMES } from "../../src/server/limits/limits.ts";
import { SERVER } from "../support/certificates.ts";
import { ROOT, run } from "../support/command.ts";
import { send } from "../support/http.ts";
import { findJudge } from "../support/judge.ts";
import { codeSpans } from "../support/markdown.ts";
import { startMain } from "../support/process.ts";
import { type Prometheus, RANGE, startPrometheus } from "../support/prometheus.ts";
import { Random } from "../support/random.ts";

const CALLS = 2_000;
const STRANGE_REQUESTS = 300;
const ADD = "/calls.v1.CallService/Add";
const METRIC = "rpc_server_call_duration_seconds";

interface Running {
  /** The URL of the server, and that of its admin port. */
  readonly url: string;
  readonly admin: string;
  readonly prometheus: Prometheus;
  readonly promtool: string;
  readonly ghz: string;
}

test("metrics with Prometheus", { timeout: 60_000 }, async (t) => {
  const running = await start(t);
  if (running === undefined) return;
  for (const [name, check] of Object.entries({
    "the sum of Prometheus is the number of calls of ghz": checkSum,
    "calls with errors are counted by code": checkErrors,
    "the series are bounded, whatever clients send": checkCardinality,
    "promtool finds no problem": checkLint,
    "docs/observability.md has each metric, with its type and labels": checkTable,
    "each query of the dashboard returns data": checkDashboard,
  }))
    await t.test(name, () => check(running));
});

async function checkSum({ prometheus, ghz, url }: Running): Promise<void> {
  const load = [
    "-n",
    String(CALLS),
    "-c",
    "4",
    "-d",
    '{"a":1,"b":2}',
    "--call",
    "calls.v1.CallService.Add",
    "-O",
    "json",
  ];
  const { stdout } = await run(ghz, [...load, "--skipTLS", new URL(url).host]);
  const { count, statusCodeDistribution } = JSON.parse(stdout);
  assert.deepEqual([count, statusCodeDistribution], [CALLS, { OK: CALLS }]);
  const labels = '{rpc_system_name="grpc",rpc_method="calls.v1.CallService/Add",rpc_status_code="OK"}';
  const isComplete = ([series]: readonly { value: number }[]) => (series?.value ?? 0) >= CALLS;
  const [sum] = await prometheus.queryUntil(`sum(${METRIC}_count${labels})`, isComplete);
  assert.equal(sum?.value, CALLS);
  // A bucket of 50 us shows that some calls of this server take less than the first bucket of the conventions, 5 ms.
  const buckets = await prometheus.query(`${METRIC}_bucket${labels}`);
  assert.deepEqual(
    buckets.map(({ labels: { le } }) => le),
    ["+Inf", "0.00005", "0.0001", "0.001", "0.01", "1"],
  );
  assert.equal(buckets.find(({ labels: { le } }) => le === "+Inf")?.value, CALLS);
}

async function checkErrors({ prometheus, url }: Running): Promise<void> {
  const json = { "content-type": "application/json" };
  const calls = [
    { path: ADD, headers: json, body: '{"a":2147483647,"b":1}', code: "out_of_range" },
    { path: ADD, headers: { ...json, "connect-timeout-ms": "x" }, body: "{}", code: "invalid_argument" },
    { path: ADD, headers: json, body: "a".repeat(2_000), code: "resource_exhausted" },
    { path: "/calls.v1.CallService/Nothing", headers: { "content-type": "application/grpc" }, code: "UNIMPLEMENTED" },
  ];
  for (const { code, ...request } of calls) {
    await send("HTTP/1.1", url, request);
    const query = `sum(${METRIC}_count{rpc_status_code="${code}"})`;
    assert.equal((await prometheus.queryUntil(query, ({ length }) => length > 0))[0]?.value, 1, code);
  }
}

async function checkCardinality({ admin, url }: Running): Promise<void> {
  const random = new Random(1);
  const pick = <T>(...choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  const word = () => random.below(2 ** 32).toString(36);
  for (let i = 0; i < STRANGE_REQUESTS; i++) {
    const path = pick(
      ADD,
      `/${word()}`,
      `/calls.v1.CallService/${word()}`,
      `/${word()}.${word()}/Add`,
      `${ADD}?${word()}`,
    );
    const type = pick(
      `application/${word()}`,
      "application/grpc",
      `application/grpc+${word()}`,
      "application/grpc-web",
    );
    const headers = { "content-type": pick(type, "application/json"), "user-agent": word(), [`x-${word()}`]: word() };
    const method = pick("POST", "POST", "GET", "PUT");
    await send("HTTP/1.1", url, { method, path, headers, ...(method !== "GET" && { body: word() }) });
  }
  const labels = new Map<string, Set<string>>();
  for (const { name, value } of await scrape(admin, METRIC))
    labels.set(name, (labels.get(name) ?? new Set()).add(value));
  assert.deepEqual([...(labels.get("rpc_method") ?? [])].sort(), ["_OTHER", "calls.v1.CallService/Add"]);
  assert.deepEqual([...(labels.get("rpc_system_name") ?? [])].sort(), ["connectrpc", "grpc"]);
  const names = ["error_type", "le", "rpc_method", "rpc_status_code", "rpc_system_name"];
  assert.deepEqual([...labels.keys()].sort(), names);
  for (const code of labels.get("rpc_status_code") ?? []) assert.match(code, /^(?:[A-Z_]+|[a-z_]+)$/);
}

async function checkLint({ promtool, admin }: Running): Promise<void> {
  const input = await (await fetch(`${admin}/metrics`)).text();
  assert.deepEqual(await run(promtool, ["check", "metrics"], { input }), { code: 0, stdout: "", stderr: "" });
  for (const name of LIMIT_NAMES) assert.ok(input.includes(`rpc_server_limit_hits_total{limit="${name}"} `), name);
}

async function checkTable({ admin }: Running): Promise<void> {
  const document = await readFile(join(ROOT, "docs/observability.md"), "utf8");
  const rows = document
    .split("\n")
    .filter((line) => /^\| `\w+` +\| (?:gauge|counter|histogram) /.test(line))
    .map((line) => {
      const [, name = "", type = "", labels = ""] = line.split("|");
      return [name, labels].map((cell) => codeSpans(cell).map(({ text }) => text)).concat([[type.trim()]]);
    });
  const documented = rows.map(([[name = ""] = [], labels = [], [type = ""] = []]) => ({
    name,
    type,
    labels: labels.toSorted(),
  }));
  const text = await (await fetch(`${admin}/metrics`)).text();
  const scraped: typeof documented = [];
  for (const [, name = "", type = ""] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const labels = new Set((await scrape(admin, name)).map((label) => label.name));
    if (type === "histogram") labels.delete("le");
    scraped.push({ name, type, labels: [...labels].toSorted() });
  }
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
  assert.deepEqual(documented.toSorted(byName), scraped.toSorted(byName));
}

async function checkDashboard({ prometheus }: Running): Promise<void> {
  const { panels, templating } = JSON.parse(await readFile(join(ROOT, "docs/grafana-dashboard.json"), "utf8"));
  const variables: string[] = templating.list.map(({ name }: { name: string }) => name);
  assert.deepEqual(variables, ["datasource", "job", "instance"]);
  let count = 0;
  for (const { title, targets } of panels)
    for (const { expr } of targets) {
      const query = expr.replaceAll("$__rate_interval", RANGE).replaceAll(/\$(?:job|instance)\b/g, ".+");
      assert.doesNotMatch(query, /\$/, title);
      const series = await prometheus.query(query);
      assert.ok(
        series.some(({ value }) => !Number.isNaN(value)),
        `${title}: ${query}`,
      );
      count++;
    }
  assert.ok(count >= 16, String(count));
}

/** Returns the labels of all series whose name begins with `metric`. */
async function scrape(admin: string, metric: string): Promise<{ readonly name: string; readonly value: string }[]> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const series = new RegExp(`^${metric}(?:_bucket|_sum|_count)?\\{(.*)\\} \\S+$`, "gm");
  return [...text.matchAll(series)].flatMap(([, labels = ""]) =>
    [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = "", value = ""]) => ({ name, value })),
  );
}

/** Starts the server and Prometheus. Returns undefined if a program is missing. */
async function start(t: TestContext): Promise<Running | undefined> {
  const [prometheus, promtool, ghz] = ["prometheus", "promtool", "ghz"].map((name) => findJudge(t, name));
  if (prometheus === undefined || promtool === undefined || ghz === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "metrics-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await Promise.all([writeFile(cert, SERVER.cert), writeFile(key, SERVER.key)]);
  const flags = ["--message-bytes", "1KiB", "--metrics-buckets", "50us,0.1ms,1ms,0.01,1"];
  const server = await startMain(t, "--admin-port", "0", ...flags, "--tls-cert", cert, "--tls-key", key);
  let admin: string | undefined;
  while (admin === undefined) {
    [, admin] = /^admin port: (\S+) serves/m.exec(server.stdout()) ?? [];
    await sleep(10);
  }
  const client = await startPrometheus(t, prometheus, new URL(admin).host);
  return { url: `https://${server.authority}`, admin, prometheus: client, promtool, ghz };
}
