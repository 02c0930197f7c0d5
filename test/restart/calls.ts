/** The calls of one client: their number, their outcomes and their times. */
import type { Restart } from "./servers.ts";

export class Calls {
  /** Begin and end of each successful call, in ms since the epoch. */
  readonly #good: (readonly [begin: number, end: number])[] = [];
  readonly #failures = new Map<string, number>();
  failed = 0;
  slowestMs = 0;

  get count(): number {
    return this.#good.length + this.failed;
  }

  /** The reasons of failures, with their numbers. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  /** Records a call that began at `begin`, in ms since the epoch, and took `ms`. A failed call has a reason. */
  add(begin: number, ms: number, reason?: string): void {
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (reason === undefined) this.#good.push([begin, begin + ms]);
    else {
      this.failed++;
      this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
    }
  }

  /** Makes a call and records it. The call fails if it rejects, or takes longer than `limitMs`. */
  async make(call: () => Promise<unknown>, limitMs: number): Promise<void> {
    const begin = Date.now();
    const start = performance.now();
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(resolve, limitMs, `no response in ${limitMs} ms`);
    const ended = call().then(
      () => undefined,
      (error: Error) => error.message,
    );
    const reason = await Promise.race([ended, late]);
    clearTimeout(timer);
    this.add(begin, performance.now() - start, reason);
  }

  /** Returns the number of restarts that were followed, before the next one, by a successful call. */
  seen(restarts: readonly Restart[]): number {
    return restarts.filter(({ exitedAt }, i) => {
      const next = restarts[i + 1]?.signalledAt ?? Number.POSITIVE_INFINITY;
      return this.#good.some(([begin, end]) => end > exitedAt && begin < next);
    }).length;
  }

  /** Returns the number of restarts at which a successful call was in flight when the server got the signal. */
  spanned(restarts: readonly Restart[]): number {
    return restarts.filter(({ signalledAt }) =>
      this.#good.some(([begin, end]) => begin < signalledAt && end > signalledAt),
    ).length;
  }
}
