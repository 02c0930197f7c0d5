/** Tells a worker by messages of its primary (workers.ts) when it has to end and to renew its TLS files. */
import type { Cluster } from "node:cluster";
import type { Metric } from "../telemetry/metric.ts";
import type { InheritedSocket } from "./inherited-sockets.ts";
import { report } from "./process-log.ts";
import type { Control, StartReport } from "./signals.ts";

/** The variable by which a primary starts a worker. Its value is a WorkerStart as JSON. */
export const START_VARIABLE = "PRIMARY_STARTS_WORKER";

/** The settings that a worker gets from its primary. */
export interface WorkerStart {
  /** The number of workers that serve together. */
  readonly workers: number;
  /** The sockets of the primary that the workers listen on, in place of a port. */
  readonly sockets?: readonly InheritedSocket[] | undefined;
}

/** An order of the primary that a worker replies to: for the admin port, to load the TLS files again, or to show that it runs. */
export type Question =
  | { readonly order: "answer"; readonly question: "metrics" | "is-ready" }
  | { readonly order: "renew-tls" }
  | { readonly order: "ping" };

/** A message of the primary to a worker. */
export type Order =
  | { readonly order: "drain"; readonly isReplaced: boolean }
  | (Question & { /** The number of the reply. */ readonly id: number });

/** A message of a worker to the primary. */
export type Reply =
  | { readonly reply: "takes-orders" }
  | { readonly reply: "started"; readonly report: StartReport }
  | { readonly reply: "answer"; readonly id: number; readonly value: unknown }
  | { readonly reply: "last-metrics"; readonly metrics: readonly Metric[] };

/** Time for the primary to confirm the end of a worker. */
const LEAVE_MS = 1_000;

/**
 * Returns the settings from the primary, and removes them from the environment, which child processes inherit. Returns
 * undefined if this process is not a worker.
 */
export function workerStart(): WorkerStart | undefined {
  const { [START_VARIABLE]: text } = process.env;
  if (text === undefined) return undefined;
  delete process.env[START_VARIABLE];
  return JSON.parse(text);
}

/** Returns node:cluster. In the types of Node 22, a module from `getBuiltinModule` lacks what the default export has. */
export function nodeCluster(): Cluster {
  return process.getBuiltinModule("node:cluster") as unknown as Cluster;
}

/**
 * Returns the control of a worker. From now on the process ignores signals, because the terminal sends Ctrl-C to all
 * processes of a group, and only the primary knows the order of the shutdown.
 */
export function workerControl(): Control {
  const { worker } = nodeCluster();
  if (worker === undefined) throw new Error(`run: ${START_VARIABLE} is set, but this process has no primary`);
  worker.on("error", () => {}); // a message to a primary that has just ended
  for (const signal of ["SIGINT", "SIGTERM", "SIGUSR2"]) process.on(signal, () => {});
  const onOrder = keepOrders();
  reply({ reply: "takes-orders" });
  onOrder("ping", ({ id }) => reply({ reply: "answer", id, value: true }));
  let isStarted = false;
  let isDraining = false;
  return {
    primary: {
      answer(answers) {
        onOrder("answer", async ({ id, question }) => {
          const value = question === "metrics" ? await answers.metrics() : answers.isReady();
          reply({ reply: "answer", id, value });
        });
      },
      sendLast: (metrics) => reply({ reply: "last-metrics", metrics }),
    },
    onDrain(drain) {
      function drainOnce(isReplaced: boolean): void {
        if (!isDraining) drain(isReplaced);
        isDraining = true;
      }
      onOrder("drain", ({ isReplaced }) => drainOnce(isReplaced));
      worker.on("disconnect", () => {
        if (!isStarted) process.exit(0);
        // Without this, Node ends a worker at once when its primary is gone, and cuts its calls.
        worker.exitedAfterDisconnect = true;
        drainOnce(true);
      });
    },
    onRenewTls(renew) {
      process.on("SIGHUP", () => {});
      onOrder("renew-tls", async ({ id }) => reply({ reply: "answer", id, value: await renew() }));
    },
    started(start) {
      isStarted = true;
      reply({ reply: "started", report: start });
    },
    draining() {}, // the primary reports it once
    ended(failure) {
      if (failure !== undefined) report({ level: "error", event: "drain_timeout", message: failure });
      leave(failure === undefined ? undefined : 1);
    },
  };

  /** Ends the connection to the primary, which lets the process end. With `code`, ends the process. */
  function leave(code: number | undefined): void {
    if (code !== undefined) {
      process.once("disconnect", () => process.exit(code));
      setTimeout(() => process.exit(code), LEAVE_MS);
    }
    if (worker?.isConnected() === true) worker.disconnect();
    else if (code !== undefined) process.exit(code);
  }
}

function reply(message: Reply): void {
  // Without a callback, a primary that has just ended would cause an error event.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

type OrderOf<Name extends Order["order"]> = Extract<Order, { readonly order: Name }>;

/**
 * Returns a function that sets the listener for an order. Orders that arrive before their listener are kept for it, because the
 * primary may send them while the worker reads its TLS files.
 */
function keepOrders(): <Name extends Order["order"]>(name: Name, listen: (order: OrderOf<Name>) => void) => void {
  const listeners = new Map<string, (order: never) => void>();
  let kept: Order[] = [];
  process.on("message", (message: Order | undefined) => {
    if (typeof message?.order !== "string") return;
    const listen = listeners.get(message.order);
    if (listen === undefined) kept.push(message);
    else listen(message as never);
  });
  return (name, listen) => {
    listeners.set(name, listen);
    const orders = kept.filter(({ order }) => order === name);
    kept = kept.filter(({ order }) => order !== name);
    for (const order of orders) listen(order as never);
  };
}
