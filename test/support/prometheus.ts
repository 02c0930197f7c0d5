/** Runs a real Prometheus that scrapes one server, and asks it with PromQL. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

/** Time between two scrapes. */
const SCRAPE_MS = 200;
/** A range for `rate`, which has some scrapes. */
export const RANGE = "1m";

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  /** Returns the series of an instant query. Throws Error if Prometheus cannot parse it. */
  query(promql: string): Promise<Series[]>;
  /** Asks until `isRight` accepts the series, and returns them. */
  queryUntil(promql: string, isRight: (series: readonly Series[]) => boolean): Promise<Series[]>;
}

/** Starts the program `path`. `target` is the "host:port" to scrape. Resolves when Prometheus has scraped it. */
export async function startPrometheus(t: TestContext, path: string, target: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const config = join(folder, "prometheus.yml");
  await writeFile(
    config,
    `scrape_configs: [{ job_name: test, scrape_interval: ${SCRAPE_MS}ms, scrape_timeout: ${SCRAPE_MS}ms, static_configs: [{ targets: ["${target}"] }] }]\n`,
  );
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ["--config.file", config, "--storage.tsdb.path", join(folder, "data"), "--web.listen-address", listen];
  const child = spawn(path, args, { stdio: "ignore" });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
    await rm(folder, { recursive: true });
  });
  const isReady = () =>
    fetch(`http://${listen}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) await sleep(SCRAPE_MS / 2);
  const prometheus = new Client(`http://${listen}`);
  await prometheus.queryUntil("up == 1", ({ length }) => length === 1);
  return prometheus;
}

class Client implements Prometheus {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async query(promql: string): Promise<Series[]> {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: promql })}`);
    const { data, error } = (await response.json()) as {
      readonly error?: string;
      readonly data?: { readonly result: readonly { metric: Series["labels"]; value: readonly [number, string] }[] };
    };
    if (data === undefined) throw new Error(`query ${promql}: ${error}`);
    return data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }

  async queryUntil(promql: string, isRight: (series: readonly Series[]) => boolean): Promise<Series[]> {
    for (;;) {
      const series = await this.query(promql);
      if (isRight(series)) return series;
      await sleep(SCRAPE_MS / 2);
    }
  }
}

/** Returns a port below those of outgoing connections, which was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
