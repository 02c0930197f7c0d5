/** Guards an observer, so that its errors are logged and change neither a call nor other observers. */
import type { Code } from "@connectrpc/connect";
import { errorText } from "../log/entry.ts";
import type { ThrottledLog } from "../log/throttled-log.ts";
import type { CallScope, ObservedCall, Observer } from "./observer.ts";

/** Calls the methods of an observer. Never throws, and handles the promises of async methods. */
export class GuardedObserver {
  readonly #begin: Observer["begin"];
  readonly #end: Observer["end"];
  readonly #log: ThrottledLog;

  constructor(observer: Observer, log: ThrottledLog) {
    this.#begin = observer.begin?.bind(observer);
    this.#end = observer.end.bind(observer);
    this.#log = log;
  }

  /** Returns the scope of the observer. Returns undefined if `begin` is missing, throws or returns a promise. */
  begin(call: ObservedCall): CallScope | undefined {
    if (this.#begin === undefined) return undefined;
    try {
      const scope: unknown = this.#begin(call);
      if (!(scope instanceof Promise)) return scope as CallScope | undefined;
      scope.catch((error) => this.#failed("begin", error));
    } catch (error) {
      this.#failed("begin", error);
    }
    return undefined;
  }

  /** Calls `run` in a scope, and returns or throws what `run` does, even if the scope throws or does not call `run`. */
  run<T>(scope: CallScope, run: () => T): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    try {
      scope.run(() => {
        outcome ??= settle(run);
      });
    } catch (error) {
      this.#failed("run", error);
    }
    outcome ??= settle(run);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  end(call: ObservedCall, code: Code | undefined): void {
    try {
      const result: unknown = this.#end(call, code);
      if (result instanceof Promise) result.catch((error) => this.#failed("end", error));
    } catch (error) {
      this.#failed("end", error);
    }
  }

  #failed(method: "begin" | "run" | "end", error: unknown): void {
    const message = `observe a call: ${method}: ${errorText(error)}`;
    this.#log(method, { level: "error", event: "observer_error", message, method });
  }
}

function settle<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}
