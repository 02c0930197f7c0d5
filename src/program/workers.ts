/** The primary of `--workers`: starts the workers, replaces and restarts them, and passes signals on to them. */
import type { Worker } from "node:cluster";
import { getHeapStatistics } from "node:v8";
import { containerMemory } from "../server/limits/defaults.ts";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import { ConfigError } from "./config.ts";
import { report as log } from "./process-log.ts";
import { RestartDelay } from "./restart-delay.ts";
import type { Config } from "./settings.ts";
import { ECHO_MS, onEndSignals, reportDelay, reportStart, type StartReport } from "./signals.ts";
import { type Order, START_VARIABLE, type Started, type WorkerStart } from "./worker.ts";

const cluster = process.getBuiltinModule("node:cluster");

/** Time for a worker to end after its grace time. After this time it is killed. */
const END_MS = 2_000;

/** Matches the flags of Node that set the size of V8's heap. */
const HEAP_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/;

/**
 * Runs the workers until a signal ends them. Resolves when all of them listen. The process then ends with the worst exit
 * code of the workers. If a worker ends before all listen, the process ends with its exit code. Throws ConfigError in a
 * process that is a worker itself.
 */
export async function runWorkers(config: Config): Promise<void> {
  if (!cluster.isPrimary) throw new ConfigError(["--workers: must be 1 in a process that is a worker of node:cluster"]);
  await new Primary(config).run();
}

/** A worker process. */
interface Running {
  readonly worker: Worker;
  readonly startedAt: number;
  /** Resolves with the report when the worker listens, or with undefined if it ends before. */
  readonly listening: Promise<StartReport | undefined>;
  /** Resolves with the exit code when the worker has ended: 1 if a signal has ended it. */
  readonly exited: Promise<number>;
}

/** The place of one worker. Another process takes it when the worker is replaced or has crashed. */
interface Place {
  running: Running | undefined;
  readonly delay: RestartDelay;
  timer: NodeJS.Timeout | undefined;
}

class Primary {
  readonly #config: Config;
  readonly #places: readonly Place[];
  /** All workers that have not ended. Some of them may be replaced already. */
  readonly #all = new Set<Running>();
  /** The report of the first worker, when all listen. */
  #report: StartReport | undefined;
  #port: number | undefined;
  #isDraining = false;
  #exitCode = 0;
  #isReplacing = false;
  #mustReplace = false;

  constructor(config: Config) {
    this.#config = config;
    this.#places = Array.from({ length: config.workers }, () => ({
      running: undefined,
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
      isStarted: () => this.#report !== undefined,
      drain: () => this.#drain(),
      exit: (code) => this.#exit(code),
    });
    const [first, ...others] = this.#places as [Place, ...Place[]];
    const report = await this.#occupy(first);
    this.#port = report?.port;
    await Promise.all(others.map((place) => this.#occupy(place)));
    if (report === undefined) return; // the exit of a worker ends this process
    this.#report = report;
    reportStart(report);
    const { workers } = this.#config;
    const message = `${workers} workers; SIGUSR2 replaces them one by one`;
    log({ level: "info", event: "workers_started", message, workers });
    if (this.#config.tlsCert !== undefined) process.on("SIGHUP", () => this.#sendToAll({ order: "renew-tls" }));
    process.on("SIGUSR2", () => void this.#replaceAll());
  }

  /** Gives the place to a worker, which is new by default. Resolves when it listens or has ended. */
  #occupy(place: Place, running = this.#start()): Promise<StartReport | undefined> {
    clearTimeout(place.timer);
    place.running = running;
    void running.exited.then((code) => {
      if (place.running !== running) return;
      place.running = undefined;
      if (this.#report === undefined) this.#exit(code);
      if (!this.#isDraining) this.#restart(place, running);
    });
    return running.listening;
  }

  #start(): Running {
    const start: WorkerStart = { workers: this.#config.workers, port: this.#port };
    const worker = cluster.fork({ [START_VARIABLE]: JSON.stringify(start) });
    worker.on("error", () => {}); // a message to a worker that has just ended
    closeConnectionInTransit(worker);
    const listening = Promise.withResolvers<StartReport | undefined>();
    const exited = Promise.withResolvers<number>();
    worker.on("message", (message: Started | undefined) => message?.started && listening.resolve(message.started));
    const running = { worker, startedAt: performance.now(), listening: listening.promise, exited: exited.promise };
    this.#all.add(running);
    worker.on("exit", (code: number | null) => {
      this.#all.delete(running);
      exited.resolve(code ?? 1); // first: the place of the worker decides if this process ends
      listening.resolve(undefined);
      if (!this.#isDraining) return;
      this.#exitCode = Math.max(this.#exitCode, code ?? 1);
      if (this.#all.size === 0) process.exit(this.#exitCode);
    });
    return running;
  }

  #restart(place: Place, { worker, startedAt }: Running): void {
    const delayMs = place.delay.next(performance.now() - startedAt);
    const { exitCode, signalCode } = worker.process;
    const when = delayMs === 0 ? "at once" : `in ${delayMs} ms`;
    const ended = signalCode ?? exitCode;
    const message = `worker ${worker.process.pid} ended with ${ended}; another one starts ${when}`;
    log({ level: "error", event: "worker_ended", message, worker: worker.process.pid, exit: ended, delayMs });
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
      const next = this.#start();
      const report = await next.listening;
      if (this.#isDraining) return false;
      if (report === undefined) {
        const code = await next.exited;
        const message = `replace workers: the new one ended with ${code} before it listened; the others go on`;
        log({ level: "error", event: "workers_kept", message, exit: code });
        return false;
      }
      const before = place.running;
      void this.#occupy(place, next);
      if (before === undefined) continue;
      send(before, { order: "drain", isReplaced: true });
      await this.#endInTime(before, 0);
    }
    return true;
  }

  #drain(): void {
    const { delayMs = 0 } = this.#report ?? {};
    this.#isDraining = true;
    if (delayMs > 0) reportDelay(delayMs);
    for (const { timer } of this.#places) clearTimeout(timer);
    this.#sendToAll({ order: "drain", isReplaced: false });
    for (const running of this.#all) void this.#endInTime(running, delayMs);
    // Keeps this process alive for the second arrival of a Ctrl-C.
    setTimeout(() => this.#all.size === 0 && process.exit(this.#exitCode), ECHO_MS / 10);
  }

  /** Kills the worker if it has not ended when its shutdown must be complete. Resolves when it has ended. */
  async #endInTime({ worker, exited }: Running, delayMs: number): Promise<void> {
    const kill = (): boolean => worker.process.kill("SIGKILL");
    const timer = setTimeout(kill, Math.min(delayMs + this.#config.graceMs + END_MS, MAX_TIMER_MS));
    await exited;
    clearTimeout(timer);
  }

  #sendToAll(order: Order): void {
    for (const running of this.#all) send(running, order);
  }

  /** Ends all workers and this process immediately. */
  #exit(code: number): never {
    for (const { worker } of this.#all) worker.process.kill("SIGKILL");
    process.exit(code);
  }
}

function send({ worker }: Running, order: Order): void {
  // Without a callback, a worker that has just ended would cause an error event.
  worker.process.send?.(order, () => {});
}

/**
 * Closes the connection that was being passed to the worker when it ended. Node keeps it open until the worker confirms that
 * it has it, so its client would wait without an end.
 */
function closeConnectionInTransit({ process: child }: Worker): void {
  let last: { close?(): void } | undefined;
  const send = child.send;
  child.send = function (this: typeof child, ...args: unknown[]): boolean {
    const [, handle] = args;
    if (typeof handle === "object" && handle !== null) last = handle;
    return Reflect.apply(send, this, args);
  };
  child.once("exit", () => last?.close?.()); // without an effect on a connection that the worker has confirmed
}

/**
 * Returns the flags for the heap of each worker. In a container each worker gets its part of the heap that Node gives to one
 * process there, unless the user has set the heap.
 */
function heapFlags(workers: number): string[] {
  const isSet = HEAP_FLAG.test([...process.execArgv, process.env.NODE_OPTIONS].join(" "));
  if (isSet || containerMemory() === undefined) return [];
  return [`--max-old-space-size=${Math.ceil(getHeapStatistics().heap_size_limit / workers / 2 ** 20)}`];
}
