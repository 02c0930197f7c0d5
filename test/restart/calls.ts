/** The calls of one client: how many, how they ended, and when. */
import type { Restart } from "./servers.ts";

export class Calls {
  /** Of the calls that went well, begin and end in ms since the epoch. */
  readonly #good: (readonly [begin: number, end: number])[] = [];
  readonly #failures = new Map<string, number>();
  failed = 0;
  slowestMs = 0;

  get count(): number {
    return this.#good.length + this.failed;
  }

  /** The reasons of failures, each with how often it was given. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  /** Takes note of a call: begun at a time in ms since the epoch; a failure has a reason. */
  add(begin: number, ms: number, reason?: string): void {
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (reason === undefined) this.#good.push([begin, begin + ms]);
    else {
      this.failed++;
      this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
    }
  }

  /** Makes a call and takes note of it. A rejection is a failure, and so is no end after limitMs milliseconds. */
  async make(call: () => Promise<unknown>, limitMs: number): Promise<void> {
    const begin = Date.now();
    const start = performance.now();
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(resolve, limitMs, `no answer in ${limitMs} ms`);
    const ended = call().then(
      () => undefined,
      (error: Error) => error.message,
    );
    const reason = await Promise.race([ended, late]);
    clearTimeout(timer);
    this.add(begin, performance.now() - start, reason);
  }

  /** After how many restarts, and before the next, a call was made or went on that then went well. */
  seen(restarts: readonly Restart[]): number {
    return restarts.filter(({ exitedAt }, i) => {
      const next = restarts[i + 1]?.signalledAt ?? Number.POSITIVE_INFINITY;
      return this.#good.some(([begin, end]) => end > exitedAt && begin < next);
    }).length;
  }

  /** At how many restarts a call that went well was under way when the server was told to end. */
  spanned(restarts: readonly Restart[]): number {
    return restarts.filter(({ signalledAt }) =>
      this.#good.some(([begin, end]) => begin < signalledAt && end > signalledAt),
    ).length;
  }
}
