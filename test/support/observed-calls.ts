/** Keeps the calls that an observer has seen, and checks that each begins once and ends once. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import type { Code } from "@connectrpc/connect";
import type { CallScope, ObservedCall, Observer } from "../../src/server/rpc/observer.ts";

/** A call that has begun, and the code of each end. */
export interface Observed {
  readonly call: ObservedCall;
  readonly codes: (Code | undefined)[];
}

export class ObservedCalls {
  readonly calls: Observed[] = [];
  readonly #scope = new AsyncLocalStorage<ObservedCall>();

  readonly observer: Observer = {
    begin: (call): CallScope => {
      assert.ok(!this.calls.some((other) => other.call === call), "began twice");
      this.calls.push({ call, codes: [] });
      return { run: (run) => this.#scope.run(call, run) };
    },
    end: (call, code) => {
      const observed = this.calls.find((other) => other.call === call);
      assert.ok(observed !== undefined, "ended without a beginning");
      observed.codes.push(code);
    },
  };

  /** The call in whose scope the caller runs. */
  get current(): ObservedCall | undefined {
    return this.#scope.getStore();
  }

  /** Throws unless each call from the index `from` on has ended exactly once. */
  check(from = 0): void {
    for (const { call, codes } of this.calls.slice(from)) {
      assert.equal(
        codes.length,
        1,
        `${call.protocolName} ${call.path} over ${call.httpVersion} ended ${codes.length} times`,
      );
      const { startedAt, requestBytes, responseBytes } = call;
      assert.ok(startedAt > 0 && startedAt <= performance.now(), `startedAt ${startedAt}`);
      assert.ok(requestBytes >= 0 && responseBytes >= 0);
    }
  }
}
