/** One worker, as its primary (workers.ts) sees it. */
import type { Worker } from "node:cluster";
import type { Metric } from "../telemetry/metric.ts";
import type { StartReport } from "./signals.ts";
import { nodeCluster, type Order, type Question, type Reply, START_VARIABLE, type WorkerStart } from "./worker.ts";

const cluster = nodeCluster();

/** Time for a second answer. The first may be late because this process was stopped itself. */
const SECOND_PING_MS = 1_000;

export interface WorkerEvents {
  /** Called when the worker has ended, with its exit code: 1 if a signal has ended it. */
  onExit(worker: WorkerProcess, code: number): void;
  /** Called with the last metrics of a worker that ends. */
  onLastMetrics(worker: WorkerProcess, metrics: readonly Metric[]): void;
}

/** A worker that was started. */
export class WorkerProcess {
  readonly startedAt = performance.now();
  /** Resolves with the report when the worker listens, or with undefined if it ends before. */
  readonly listening: Promise<StartReport | undefined>;
  /** Resolves with the exit code when the worker has ended, after `onExit`. */
  readonly exited: Promise<number>;
  /** True from the time that the worker listens until it is told to drain, or ends. */
  isServing = false;
  /** True from the time that the worker listens. */
  hasStarted = false;
  readonly #worker: Worker;
  /** The orders for a worker that does not take any yet. Node drops a message that arrives before its listener. */
  #waiting: Order[] | undefined = [];
  /** The code of the error for which no process could be started. */
  #startError: string | undefined;
  readonly #questions = new Map<number, (value: unknown) => void>();
  #lastQuestion = 0;
  readonly #inTransit: ReadonlyMap<number, unknown>;

  constructor(start: WorkerStart, events: WorkerEvents) {
    this.#worker = cluster.fork({ [START_VARIABLE]: JSON.stringify(start) });
    this.#inTransit = closeLostConnections(this.#worker);
    const listening = Promise.withResolvers<StartReport | undefined>();
    const exited = Promise.withResolvers<number>();
    this.listening = listening.promise;
    this.exited = exited.promise;
    this.#worker.on("message", (reply: Reply | undefined) => {
      if (reply?.reply === "takes-orders") this.#sendWaiting();
      else if (reply?.reply === "started") {
        this.hasStarted = this.isServing = true;
        listening.resolve(reply.report);
      } else if (reply?.reply === "answer") this.#questions.get(reply.id)?.(reply.value);
      else if (reply?.reply === "last-metrics") events.onLastMetrics(this, reply.metrics);
    });
    const onExit = (code: number | null): void => {
      this.isServing = false;
      for (const resolve of this.#questions.values()) resolve(undefined);
      events.onExit(this, code ?? 1);
      exited.resolve(code ?? 1);
      listening.resolve(undefined);
    };
    this.#worker.on("exit", onExit);
    this.#worker.on("error", (error: NodeJS.ErrnoException) => {
      if (this.pid !== undefined) return; // a message to a worker that has just ended
      this.#startError = error.code ?? error.message;
      onExit(1); // Node does not emit "exit"
    });
  }

  get id(): number {
    return this.#worker.id;
  }

  /** True if a connection is on its way to the worker. */
  get isGettingConnection(): boolean {
    return this.#inTransit.size > 0;
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** The exit code, the signal that ended the process, or the code of the error for which no process could be started. */
  get exit(): number | string | null {
    const { signalCode, exitCode } = this.#worker.process;
    return this.#startError ?? signalCode ?? exitCode;
  }

  /** The end of the worker in words. */
  get end(): string {
    if (this.#startError !== undefined) return `worker could not be started (${this.#startError})`;
    return `worker ${this.pid} ended with ${this.exit}`;
  }

  send(order: Order): void {
    if (order.order === "drain") this.isServing = false;
    if (this.#waiting !== undefined) this.#waiting.push(order);
    // Without a callback, a worker that has just ended would cause an error event.
    else this.#worker.process.send?.(order, () => {});
  }

  #sendWaiting(): void {
    const orders = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const order of orders) this.send(order);
  }

  /** Resolves with the answer. Resolves with undefined without an answer within `ms`, or if the worker ends. */
  async ask(question: Question, ms: number): Promise<unknown> {
    const id = ++this.#lastQuestion;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(resolve, ms, undefined);
    this.#questions.set(id, resolve);
    this.send({ ...question, id });
    const value = await promise;
    clearTimeout(timer);
    this.#questions.delete(id);
    return value;
  }

  /** Resolves with false if the worker has ended, or does not answer within `ms` and SECOND_PING_MS: its event loop is blocked. */
  async answers(ms: number): Promise<boolean> {
    const ping = { order: "ping" } as const;
    return ((await this.ask(ping, ms)) ?? (await this.ask(ping, SECOND_PING_MS))) !== undefined;
  }

  kill(): void {
    this.#worker.process.kill("SIGKILL");
  }
}

/**
 * Closes the connections that a worker does not get: because it ends meanwhile, or because it has no file descriptor left. In
 * both cases Node waits for the worker's answer without an end. So does the client, and the worker gets no further connection.
 * A connection that a draining worker does not take goes to another one. Returns the connections that are on their way.
 */
function closeLostConnections({ process: child }: Worker): ReadonlyMap<number, unknown> {
  /** The connections without an answer, by the numbers of their messages. */
  const inTransit = new Map<number, { close?(): void }>();
  let hasEnded = false;
  const send = child.send;
  child.send = function (this: typeof child, ...args: unknown[]): boolean {
    const [message, handle] = args as [{ readonly seq?: number }, { close?(): void } | undefined];
    if (message.seq !== undefined && handle) {
      // Node passes connections on until the channel has closed, too.
      if (hasEnded) handle.close?.();
      else inTransit.set(message.seq, handle);
    }
    return hasEnded ? false : Reflect.apply(send, this, args);
  };
  child.on("internalMessage", ({ cmd, ack }: { readonly cmd?: string; readonly ack?: number }) => {
    if (ack !== undefined) inTransit.delete(ack);
    if (cmd !== "NODE_HANDLE_NACK") return;
    // Node sends one connection at a time. The answer of a worker that takes it lets Node close its own copy.
    const [lost] = inTransit.keys();
    if (lost !== undefined) child.emit("internalMessage", { cmd: "NODE_CLUSTER", ack: lost, accepted: true });
  });
  child.once("exit", () => {
    hasEnded = true;
    for (const handle of inTransit.values()) handle.close?.();
  });
  return inTransit;
}
