/** Combines the parts of telemetry that the settings turn on: metrics, access log and traces. */
import type { Log } from "../server/log/record.ts";
import { createThrottledLog } from "../server/log/throttled-log.ts";
import { GuardedObserver } from "../server/rpc/guarded-observer.ts";
import type { CallScope, ObservedCall, Observer } from "../server/rpc/observer.ts";
import type { Server } from "../server/server.ts";
import type { PrimaryLink } from "./admin.ts";
import type { TelemetryPart } from "./telemetry-part.ts";
import type { TracingSettings } from "./tracing.ts";

/**
 * Returns one observer that passes each call to all observers. Returns undefined if `observers` is empty. An error of one of
 * several observers is passed to `log`, and does not reach the others.
 */
export function combineObservers(observers: readonly Observer[], log: Log): Observer | undefined {
  if (observers.length <= 1) return observers[0];
  const throttledLog = createThrottledLog(log);
  const guarded = observers.map((observer) => new GuardedObserver(observer, throttledLog));
  const beginners = guarded.filter((_, i) => observers[i]?.begin !== undefined);
  const end: Observer["end"] = (call, code) => {
    for (const observer of guarded) observer.end(call, code);
  };
  return beginners.length === 0 ? { end } : { begin: (call) => combineScopes(call, beginners), end };
}

/** Calls `begin` of each observer. Returns the scopes in one, the first one outermost, or undefined if no observer has one. */
function combineScopes(call: ObservedCall, observers: readonly GuardedObserver[]): CallScope | undefined {
  let combined: CallScope | undefined;
  for (const observer of observers) {
    const scope = observer.begin(call);
    if (scope === undefined) continue;
    const outer = combined;
    const runInner = <T>(run: () => T): T => observer.run(scope, run);
    combined = { run: outer === undefined ? runInner : (run) => outer.run(() => runInner(run)) };
  }
  return combined;
}

/** The settings of telemetry. Each part reads those that it needs. */
export interface TelemetrySettings extends TracingSettings {
  /** The primary that serves metrics and probes for this process. Undefined in a process that is not a worker. */
  readonly primary?: PrimaryLink | undefined;
  /** The address of metrics and probes. Metrics and probes are served only if the port is set. */
  readonly adminHost: string;
  readonly adminPort: number | undefined;
  /** The upper bounds of the buckets of call durations, in seconds and in ascending order, if they are set. */
  readonly metricsBuckets: readonly number[] | undefined;
  /** The share of calls that the access log has, from 0 to 1. Undefined for no access log. */
  readonly accessLogRatio: number | undefined;
  /** The name and version of the program, if it has them. */
  readonly version: string | undefined;
}

/** All parts of telemetry that the settings turn on. */
export interface Telemetry {
  /** The observer of the program and those of the parts, in one. Undefined if nothing observes calls. */
  readonly observer: Observer | undefined;
  /** Starts all parts, before the server listens. Rejects with TelemetryError if a part cannot start. */
  start(server: Server): Promise<void>;
  /** Tells all parts that the server listens. Returns their lines for the operator. */
  listening(): string[];
  /**
   * Ends all parts, when all calls have ended. Resolves after at most CLOSE_MS, and never rejects. Resolves with false if a
   * part has not ended by then, which could hold the process.
   */
  close(): Promise<boolean>;
}

/** The maximum time for the parts to send what they have. An exporter may wait for a collector that does not answer. */
const CLOSE_MS = 2_000;

/**
 * Makes the parts that the settings turn on. `observer` is that of the program, if it has one. `log` takes the records of the
 * parts. Rejects with TelemetryError if a package is missing.
 */
export async function createTelemetry(
  settings: TelemetrySettings,
  observer: Observer | undefined,
  log: Log,
): Promise<Telemetry> {
  const parts: TelemetryPart[] = [];
  const { adminPort, traceRatio, traceTrust, accessLogRatio } = settings;
  // A part is imported only if a setting turns it on, so that the others do not delay the start.
  if (adminPort !== undefined) parts.push(await (await import("./admin.ts")).createAdmin({ ...settings, adminPort }));
  const isTraced = traceRatio > 0 || traceTrust;
  const tracing = isTraced ? await (await import("./tracing.ts")).createTracing(settings, log) : undefined;
  if (accessLogRatio !== undefined) {
    const traceIdOf = tracing?.traceIdOf; // before tracing, which forgets the call at its end
    parts.push((await import("./access-log.ts")).createAccessLog({ ratio: accessLogRatio, log, traceIdOf }));
  }
  if (tracing !== undefined) parts.push(tracing);
  return combineParts(parts, observer, log);
}

function combineParts(parts: readonly TelemetryPart[], own: Observer | undefined, log: Log): Telemetry {
  const observers = [own, ...parts.map(({ observer }) => observer)].filter((observer) => observer !== undefined);
  return {
    observer: combineObservers(observers, log),
    async start(server) {
      for (const part of parts) await part.start?.(server);
    },
    listening: () => parts.map((part) => part.listening?.()).filter((line) => line !== undefined),
    async close() {
      const { promise: timeout, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(resolve, CLOSE_MS, false);
      const ended = Promise.allSettled(parts.map((part) => part.close?.())).then(() => true);
      const haveEnded = await Promise.race([ended, timeout]);
      clearTimeout(timer);
      for (const part of parts) part.end?.();
      return haveEnded;
    },
  };
}
