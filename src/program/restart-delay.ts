/** Computes the delay before a crashed process is started again. */

/** The delay after the second crash. The first crash has no delay, and each further one twice that of the crash before. */
const SECOND_MS = 500;
const MAX_MS = 30_000;
/** A process that has run for this time is healthy: its next crash counts as the first one. */
const HEALTHY_MS = 60_000;

export class RestartDelay {
  #crashes = 0;

  /** Returns the delay in ms after a crash of a process that ran for `ranMs`. */
  next(ranMs: number): number {
    this.#crashes = ranMs >= HEALTHY_MS ? 1 : this.#crashes + 1;
    return this.#crashes === 1 ? 0 : Math.min(SECOND_MS * 2 ** (this.#crashes - 2), MAX_MS);
  }
}
