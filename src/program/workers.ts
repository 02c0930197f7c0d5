/** The primary of `--workers`: starts the workers, replaces and restarts them, and passes signals on to them. */
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import type { Metric } from "../telemetry/metric.ts";
import type { PrimaryAdmin } from "../telemetry/primary-admin.ts";
import { AcceptingSockets } from "./accepting-sockets.ts";
import { ConfigError } from "./config.ts";
import type { InheritedSocket } from "./inherited-sockets.ts";
import { report as log } from "./process-log.ts";
import { RestartDelay } from "./restart-delay.ts";
import type { Config } from "./settings.ts";
import { ECHO_MS, onEndSignals, reportDelay, reportStart, type StartReport, statusOf } from "./signals.ts";
import type { Notifier, Systemd } from "./systemd.ts";
import { nodeCluster, type Order } from "./worker.ts";
import { heapFlags } from "./worker-heap.ts";
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
/** Time for a worker to load the TLS files again. */
const RENEW_MS = 10_000;

/**
 * Runs the workers until a signal ends them. Resolves when all of them listen. The process then ends with the worst exit
 * code of the workers. If a worker ends before all listen, the process ends with its exit code. Rejects with ConfigError in a
 * process that is a worker itself, and with TelemetryError if the admin port cannot be served.
 */
export async function runWorkers(config: Config, systemd?: Systemd): Promise<void> {
  if (!cluster.isPrimary) throw new ConfigError(["--workers: must be 1 in a process that is a worker of node:cluster"]);
  await new Primary(config, systemd).run();
}

/** The place of one worker. Another process takes it when the worker is replaced or has crashed. */
interface Place {
  worker: WorkerProcess | undefined;
  readonly delay: RestartDelay;
  timer: NodeJS.Timeout | undefined;
}

class Primary {
  readonly #config: Config;
  readonly #sockets: readonly InheritedSocket[] | undefined;
  readonly #notifier: Notifier | undefined;
  readonly #accepting: AcceptingSockets | undefined;
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

  constructor(config: Config, { sockets = [], notifier }: Partial<Systemd> = {}) {
    this.#config = config;
    this.#sockets = sockets.length > 0 ? sockets : undefined;
    this.#notifier = notifier;
    this.#accepting = this.#sockets && new AcceptingSockets(this.#sockets);
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
    this.#renewTlsOnSignal();
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
    this.#notifier?.ready(statusOf(report), (intervalMs) => this.#endBlockedWorkers(intervalMs));
  }

  #renewTlsOnSignal(): void {
    if (this.#config.tlsCert === undefined) {
      this.#notifier?.ignoreReload();
      return;
    }
    const renew = async (): Promise<boolean> => {
      const answers = [...this.#all].map((worker) => worker.ask({ order: "renew-tls" }, RENEW_MS));
      return !(await Promise.all(answers)).includes(false);
    };
    process.on("SIGHUP", () => void (this.#notifier?.reload(renew) ?? renew()));
  }

  /** Kills each worker that does not answer in time, because its event loop is blocked. Its place gets another one. */
  #endBlockedWorkers(ms: number): void {
    const askedAt = performance.now();
    this.#serving().map(async (worker) => {
      if ((await worker.answers(ms)) || !worker.isServing) return;
      const silentMs = Math.round(performance.now() - askedAt);
      const message = `watch workers: worker ${worker.pid} has not answered for ${silentMs} ms; it is killed`;
      log({ level: "error", event: "worker_blocked", message, worker: worker.pid });
      worker.kill();
    });
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
      const metrics = (await worker.ask({ order: "answer", question: "metrics" }, METRICS_MS)) as
        | readonly Metric[]
        | undefined;
      return { worker, metrics };
    });
    const running = (await Promise.all(answers)).filter(({ worker }) => this.#all.has(worker));
    return new Map(running.map(({ worker, metrics }) => [worker.id, metrics]));
  }

  async #isReady(): Promise<boolean> {
    const answers = this.#serving().map(async (worker) => {
      const isReady = await worker.ask({ order: "answer", question: "is-ready" }, READY_MS);
      if (isReady !== true) throw new Error("not ready");
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
    const start = { workers: this.#config.workers, sockets: this.#sockets };
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
    const isLast = this.#all.size === 0 && this.#sockets !== undefined;
    const next = isLast ? "the inherited sockets are closed, so the primary ends" : `another one starts ${when}`;
    log({ level: "error", event: "worker_ended", message: `${end}; ${next}`, worker: pid, exit, delayMs });
    if (isLast) this.#exit(1); // node:cluster has closed the sockets with the last worker that used them
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
    this.#notifier?.stopping(delayMs + this.#config.graceMs);
    if (delayMs > 0) reportDelay(delayMs);
    for (const { timer } of this.#places) clearTimeout(timer);
    void this.#stopWorkers(delayMs);
    // Keeps this process alive for the second arrival of a Ctrl-C.
    setTimeout(() => this.#all.size === 0 && process.exit(this.#exitCode), ECHO_MS / 10);
  }

  /**
   * Lets all workers drain. Inherited sockets stop before them: a worker could not take a connection that this process has
   * accepted, but others wait for the next process. With a delay, they stop in its last second.
   */
  async #stopWorkers(delayMs: number): Promise<void> {
    const stopAccepting = () =>
      this.#accepting?.stop(() => [...this.#all].some((worker) => worker.isGettingConnection));
    if (delayMs === 0) await stopAccepting();
    else setTimeout(stopAccepting, Math.max(delayMs / 2, delayMs - 1_000));
    this.#sendToAll({ order: "drain", isReplaced: false });
    for (const worker of this.#all) void this.#endInTime(worker, delayMs);
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
