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
