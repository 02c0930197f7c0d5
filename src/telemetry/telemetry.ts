/** Combines the parts of telemetry that the settings turn on: metrics, access log and traces. */
import type { CallScope, ObservedCall, Observer } from "../server/rpc/observer.ts";
import type { Server } from "../server/server.ts";

/** A part of telemetry, such as metrics. */
export interface TelemetryPart {
  /** Observes the calls. If undefined, the part does not observe calls. */
  readonly observer?: Observer;
  /** Called once, when the server is created, before it listens. Rejects if the part cannot start. */
  start?(server: Server): Promise<void>;
  /** Called once, when all calls have ended. Resolves when the part has sent what it has; must not reject. */
  close?(): Promise<void>;
}

/** Returns one observer that passes each call to all observers. Returns undefined if `observers` is empty. */
export function combineObservers(observers: readonly Observer[]): Observer | undefined {
  if (observers.length <= 1) return observers[0];
  const beginners = observers.filter((observer) => observer.begin !== undefined);
  const end: Observer["end"] = (call, code) => {
    for (const observer of observers) observer.end(call, code);
  };
  return beginners.length === 0 ? { end } : { begin: (call) => combineScopes(call, beginners), end };
}

/** Calls `begin` of each observer. Returns the scopes in one, the first one outermost, or undefined if no observer has one. */
function combineScopes(call: ObservedCall, observers: readonly Observer[]): CallScope | undefined {
  let combined: CallScope | undefined;
  for (const observer of observers) {
    const scope = observer.begin?.(call);
    if (scope === undefined) continue;
    const outer = combined;
    combined = outer === undefined ? scope : { run: (run) => outer.run(() => scope.run(run)) };
  }
  return combined;
}

/** The settings of telemetry. Each part reads those that it needs. */
export type TelemetrySettings = object;

/** All parts of telemetry that the settings turn on. */
export interface Telemetry {
  /** The observer of the program and those of the parts, in one. Undefined if nothing observes calls. */
  readonly observer: Observer | undefined;
  /** Starts all parts, before the server listens. Rejects with TelemetryError if a part cannot start. */
  start(server: Server): Promise<void>;
  /** Ends all parts, when all calls have ended. Resolves after at most CLOSE_MS, and never rejects. */
  close(): Promise<void>;
}

/** The maximum time for the parts to send what they have. An exporter may wait for a collector that does not answer. */
const CLOSE_MS = 2_000;

/**
 * Makes the parts that the settings turn on. `observer` is that of the program, if it has one. Rejects with TelemetryError
 * if a package is missing.
 */
export async function createTelemetry(_: TelemetrySettings, observer: Observer | undefined): Promise<Telemetry> {
  const parts: TelemetryPart[] = [];
  return combineParts(parts, observer);
}

function combineParts(parts: readonly TelemetryPart[], own: Observer | undefined): Telemetry {
  const observers = [own, ...parts.map(({ observer }) => observer)].filter((observer) => observer !== undefined);
  return {
    observer: combineObservers(observers),
    async start(server) {
      for (const part of parts) await part.start?.(server);
    },
    async close() {
      const timeout = Promise.withResolvers<void>();
      const timer = setTimeout(timeout.resolve, CLOSE_MS);
      await Promise.race([Promise.allSettled(parts.map((part) => part.close?.())), timeout.promise]);
      clearTimeout(timer);
    },
  };
}
