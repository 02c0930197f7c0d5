/** Tells a program by signals when it has to end and to renew its TLS files. A worker is told by its primary (worker.ts). */

import type { PrimaryLink } from "../telemetry/admin.ts";
import { fail, type Report, report } from "./process-log.ts";

/** Ctrl-C arrives twice, from the terminal and from npm. The same signal within this time is ignored. */
export const ECHO_MS = 500;

/** The start of a server, as it is reported. */
export interface StartReport {
  /** The delay of a shutdown, see ShutdownTimes. */
  readonly delayMs: number;
  readonly records: readonly Report[];
}

/** Tells the server of this process when to end, and takes reports of its start and end. */
export interface Control {
  /** The primary that serves metrics and probes for this process. Undefined in a process that is not a worker. */
  readonly primary?: PrimaryLink;
  /**
   * Calls `drain` at most once, when the server has to shut down. `isReplaced` is true if other processes accept its
   * connections. Before `started`, the process may be ended instead.
   */
  onDrain(drain: (isReplaced: boolean) => void): void;
  /** Calls `renew` each time that the TLS files have to be read again. It resolves with false if the old ones are kept. */
  onRenewTls(renew: () => Promise<boolean>): void;
  /** Called once, when the server listens. */
  started(report: StartReport): void;
  /** Called when the shutdown begins, if it has a delay. */
  draining(delayMs: number): void;
  /** Called when the shutdown is complete. Ends the process with `failure` and exit code 1; without it, lets it end. */
  ended(failure?: string): void;
}

/** The control of a process without a primary. */
export const SIGNALS: Control = {
  onDrain(drain) {
    onEndSignals({ isStarted: () => isStarted, drain: () => drain(false), exit: (code) => process.exit(code) });
  },
  onRenewTls(renew) {
    process.on("SIGHUP", renew);
  },
  started(report) {
    isStarted = true;
    // Without a listener, the signal would end the process.
    process.on("SIGUSR2", reportSingleProcess);
    reportStart(report);
  },
  draining: reportDelay,
  ended(failure) {
    if (failure !== undefined) fail(1, "drain_timeout", failure);
  },
};

let isStarted = false;

/**
 * Calls `drain` at the first SIGINT or SIGTERM, and `exit` with 1 at the next one, unless that is an echo of the first
 * (ECHO_MS). While `isStarted` returns false, the first signal calls `exit` with 0 instead.
 */
export function onEndSignals(on: {
  readonly isStarted: () => boolean;
  readonly drain: () => void;
  readonly exit: (code: number) => void;
}): void {
  let first: { signal: string; at: number } | undefined;
  function onSignal(signal: string): void {
    const now = performance.now();
    if (!on.isStarted()) on.exit(0);
    else if (first === undefined) {
      first = { signal, at: now };
      on.drain();
    } else if (signal !== first.signal || now - first.at > ECHO_MS) on.exit(1);
  }
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

/** Writes the records of a start. */
export function reportStart({ records }: StartReport): void {
  for (const { record, more } of records) report(record, more);
}

/** Returns the status that `systemctl status` shows: the first record of the start, which names the address. */
export function statusOf({ records }: StartReport): string {
  return records[0]?.record.message ?? "";
}

function reportSingleProcess(): void {
  if (process.listenerCount("SIGUSR2") > 1) return; // the application uses the signal
  const message = "SIGUSR2 is ignored: it replaces workers, and --workers is 1";
  report({ level: "warn", event: "signal_ignored", message });
}

/** Reports that the shutdown begins with a delay. */
export function reportDelay(delayMs: number): void {
  const message = `draining: accepts connections for ${delayMs} ms more; a second signal ends the process at once`;
  report({ level: "info", event: "draining", message, delayMs });
}
