/** The primary of `--workers`: starts the workers, replaces and restarts them, and passes signals on to them. */
import { getHeapStatistics } from "node:v8";
import { containerMemory } from "../server/limits/defaults.ts";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import type { Metric } from "../telemetry/metric.ts";
import type { PrimaryAdmin } from "../telemetry/primary-admin.ts";
import { ConfigError } from "./config.ts";
import { report as log } from "./process-log.ts";
import { RestartDelay } from "./restart-delay.ts";
import type { Config } from "./settings.ts";
import { ECHO_MS, onEndSignals, reportDelay, reportStart, type StartReport } from "./signals.ts";
import { nodeCluster, type Order } from "./worker.ts";
import { WorkerProcess } from "./worker-process.ts";

const cluster = nodeCluster();

/**
 * Time for a worker to end after its grace time. After this time it is killed. Telemetry needs up to 2 s (CLOSE_MS of
 * telemetry.ts), and the end of the process up to 1 s (LEAVE_MS of worker.ts).
 */
const END_MS = 4_000;
/** Time for the metrics of a worker. Prometheus waits for 10 s by default. */
const METRICS_MS = 2_000;
/** Time for a worker to say that it is ready. Probes of Kubernetes wait for 1 s by default. */
const READY_MS = 500;

/** Matches the flags of Node that set the size of V8's heap. */
const HEAP_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/;
/** Matches the flag that sets it as a part of the memory. It wins over the others, and its last value wins. */
const HEAP_PERCENTAGE = /--max-old-space-size-percentage[= ]([\d.]+)/g;

/**
 * Runs the workers until a signal ends them. Resolves when all of them listen. The process then ends with the worst exit
 * code of the workers. If a worker ends before all listen, the process ends with its exit code. Rejects with ConfigError in a
 * process that is a worker itself, and with TelemetryError if the admin port cannot be served.
 */
export async function runWorkers(config: Config): Promise<void> {
  if (!cluster.isPrimary) throw new ConfigError(["--workers: must be 1 in a process that is a worker of node:cluster"]);
  await new Primary(config).run();
}

/** The place of one worker. Another process takes it when the worker is replaced or has crashed. */
interface Place {
  worker: WorkerProcess | undefined;
  readonly delay: RestartDelay;
  timer: NodeJS.Timeout | undefined;
}

class Primary {
  readonly #config: Config;
  readonly #places: readonly Place[];
  /** All workers that have not ended. Some of them may be replaced already. */
  readonly #all = new Set<WorkerProcess>();
  /** The report of the first worker, when all listen. */
  #report: StartReport | undefined;
  /** The report of the first worker, when it listens. */
  #first: StartReport | undefined;
  #admin: PrimaryAdmin | undefined;
  #crashes = 0;
  #isDraining = false;
  #exitCode = 0;
  #isReplacing = false;
  #mustReplace = false;

  constructor(config: Config) {
    this.#config = config;
    this.#places = Array.from({ length: config.workers }, () => ({
      worker: undefined,
      delay: new RestartDelay(),
      timer: undefined,
    }));
    // Node's default, except on Windows. The others leave workers idle that have few long connections.
    if (!process.env.NODE_CLUSTER_SCHED_POLICY) cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ execArgv: [...process.execArgv, ...heapFlags(config.workers)] });
  }

  /** Starts the first worker alone, so that a problem of all workers is reported once. */
  async run(): Promise<void> {
    onEndSignals({
      isStarted: () => this.#first !== undefined,
      drain: () => this.#drain(),
      exit: (code) => this.#exit(code),
    });
    if (this.#config.tlsCert !== undefined) process.on("SIGHUP", () => this.#sendToAll({ order: "renew-tls" }));
    // Before all workers listen, none of them is old.
    process.on("SIGUSR2", () => this.#report !== undefined && void this.#replaceAll());
    this.#admin = await this.#startAdmin();
    const [first, ...others] = this.#places as [Place, ...Place[]];
    const report = await this.#occupy(first);
    if (report === undefined) return; // the exit of a worker ends this process
    this.#first = report;
    const reports = await Promise.all(others.map((place) => this.#occupy(place)));
    if (this.#isDraining || reports.includes(undefined)) return;
    this.#report = report;
    reportStart(report);
    const { workers } = this.#config;
    const message = `${workers} workers; SIGUSR2 replaces them one by one`;
    log({ level: "info", event: "workers_started", message, workers });
    if (this.#admin !== undefined) log({ level: "info", event: "telemetry_listening", message: this.#admin.line });
  }

  async #startAdmin(): Promise<PrimaryAdmin | undefined> {
    const { adminHost, adminPort } = this.#config;
    if (adminPort === undefined) return undefined;
    const { startPrimaryAdmin } = await import("../telemetry/primary-admin.ts");
    return startPrimaryAdmin(adminHost, adminPort, {
      metrics: () => this.#metrics(),
      isReady: () => this.#isReady(),
      counts: () => ({ serving: this.#serving().length, crashes: this.#crashes }),
    });
  }

  async #metrics(): Promise<Map<number, readonly Metric[] | undefined>> {
    const workers = [...this.#all].filter(({ hasStarted }) => hasStarted);
    const answers = workers.map(async (worker) => {
      const metrics = (await worker.ask("metrics", METRICS_MS)) as readonly Metric[] | undefined;
      return { worker, metrics };
    });
    const running = (await Promise.all(answers)).filter(({ worker }) => this.#all.has(worker));
    return new Map(running.map(({ worker, metrics }) => [worker.id, metrics]));
  }

  async #isReady(): Promise<boolean> {
    const answers = this.#serving().map(async (worker) => {
      if ((await worker.ask("is-ready", READY_MS)) !== true) throw new Error("not ready");
      return true;
    });
    return Promise.any(answers).catch(() => false);
  }

  #serving(): WorkerProcess[] {
    return [...this.#all].filter(({ isServing }) => isServing);
  }

  /** Gives the place to a worker, which is new by default. Resolves when it listens or has ended. */
  #occupy(place: Place, worker = this.#start()): Promise<StartReport | undefined> {
    clearTimeout(place.timer);
    place.worker = worker;
    void worker.exited.then((code) => {
      if (place.worker !== worker) return;
      place.worker = undefined;
      if (this.#isDraining) return;
      if (this.#report === undefined) this.#failStart(worker, code);
      this.#restart(place, worker);
    });
    return worker.listening;
  }

  #start(): WorkerProcess {
    const start = { workers: this.#config.workers, port: this.#first?.port };
    const worker = new WorkerProcess(start, {
      onExit: (worker, code) => this.#onExit(worker, code),
      onLastMetrics: ({ id }, metrics) => this.#admin?.answered(id, metrics),
    });
    this.#all.add(worker);
    return worker;
  }

  #onExit(worker: WorkerProcess, code: number): void {
    this.#all.delete(worker);
    this.#admin?.ended(worker.id);
    if (!this.#isDraining) return;
    // A worker that has not started has no handler of Ctrl-C yet, and no call.
    if (worker.hasStarted) this.#exitCode = Math.max(this.#exitCode, code);
    if (this.#all.size === 0) process.exit(this.#exitCode);
  }

  /** Ends this process, because a worker has ended before all listened. The worker has logged its error, if it could. */
  #failStart({ end, pid, exit }: WorkerProcess, code: number): never {
    if (typeof exit !== "number")
      log({ level: "error", event: "worker_ended", message: `${end} before it listened`, worker: pid, exit });
    this.#exit(code);
  }

  #restart(place: Place, { startedAt, end, pid, exit }: WorkerProcess): void {
    this.#crashes++;
    const delayMs = place.delay.next(performance.now() - startedAt);
    const when = delayMs === 0 ? "at once" : `in ${delayMs} ms`;
    const message = `${end}; another one starts ${when}`;
    log({ level: "error", event: "worker_ended", message, worker: pid, exit, delayMs });
    place.timer = setTimeout(() => void this.#occupy(place), delayMs);
  }

  /** Replaces all workers. A further demand meanwhile replaces them once more, so that all run the newest program. */
  async #replaceAll(): Promise<void> {
    this.#mustReplace = true;
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    while (this.#mustReplace && !this.#isDraining) {
      this.#mustReplace = false;
      if (!(await this.#replaceEach())) continue;
      const workers = this.#places.length;
      log({ level: "info", event: "workers_replaced", message: `replaced ${workers} workers`, workers });
    }
    this.#isReplacing = false;
  }

  /** Returns false if a new worker does not start. The workers that are not replaced then go on. */
  async #replaceEach(): Promise<boolean> {
    for (const place of this.#places) {
      if (this.#isDraining) return false; // the workers that ran then have the order, and a new one would not
      const next = this.#start();
      const report = await next.listening;
      if (this.#isDraining) return false;
      if (report === undefined) {
        await next.exited;
        const message = `replace workers: the new ${next.end} before it listened; the others go on`;
        log({ level: "error", event: "workers_kept", message, exit: next.exit });
        return false;
      }
      const before = place.worker;
      void this.#occupy(place, next);
      if (before === undefined) continue;
      before.send({ order: "drain", isReplaced: true });
      await this.#endInTime(before, 0);
    }
    return true;
  }

  #drain(): void {
    const { delayMs = 0 } = this.#first ?? {};
    this.#isDraining = true;
    if (delayMs > 0) reportDelay(delayMs);
    for (const { timer } of this.#places) clearTimeout(timer);
    this.#sendToAll({ order: "drain", isReplaced: false });
    for (const worker of this.#all) void this.#endInTime(worker, delayMs);
    // Keeps this process alive for the second arrival of a Ctrl-C.
    setTimeout(() => this.#all.size === 0 && process.exit(this.#exitCode), ECHO_MS / 10);
  }

  /** Kills the worker if it has not ended when its shutdown must be complete. Resolves when it has ended. */
  async #endInTime(worker: WorkerProcess, delayMs: number): Promise<void> {
    const ms = Math.min(delayMs + this.#config.graceMs + END_MS, MAX_TIMER_MS);
    const timer = setTimeout(() => worker.kill(), ms);
    await worker.exited;
    clearTimeout(timer);
  }

  #sendToAll(order: Order): void {
    for (const worker of this.#all) worker.send(order);
  }

  /** Ends all workers and this process immediately. */
  #exit(code: number): never {
    for (const worker of this.#all) worker.kill();
    process.exit(code);
  }
}

/**
 * Returns the flags for the heap of each worker. In a container, one process would get a certain heap from Node, and each worker
 * gets its part of that heap. A heap that the user has set as a percentage is divided, too. Returns no flags if the user has set
 * its size.
 */
function heapFlags(workers: number): string[] {
  const given = [process.env.NODE_OPTIONS, ...process.execArgv].join(" ");
  const percentage = given.matchAll(HEAP_PERCENTAGE).toArray().at(-1)?.[1];
  if (percentage !== undefined) return [`--max-old-space-size-percentage=${Number(percentage) / workers}`];
  if (HEAP_FLAG.test(given) || containerMemory() === undefined) return [];
  return [`--max-old-space-size=${Math.ceil(getHeapStatistics().heap_size_limit / workers / 2 ** 20)}`];
}
