/** Runs a fuzzer with one seed after the other. */
import { Random } from "../../support/random.ts";

export interface Target {
  readonly name: string;
  /** Starts the target. */
  start(): Promise<Trial>;
}

export interface Trial {
  /** Makes one random attempt. Throws if it finds a failure. */
  attempt(random: Random): Promise<void>;
  /** Ends the target. Throws if something is left open. */
  end(): Promise<void>;
}

/** Returns the number of attempts. The error of a failed attempt names its seed. */
export async function fuzz(target: Target, seed: number, until: (count: number) => boolean): Promise<number> {
  const trial = await target.start();
  let count = 0;
  const say = (): void => console.error(`${target.name} with --seed ${seed + count} throws what nobody catches`);
  process.on("uncaughtExceptionMonitor", say);
  try {
    for (; !until(count); count++) {
      try {
        await trial.attempt(new Random(seed + count));
      } catch (error) {
        throw new Error(`${target.name} with --seed ${seed + count}`, { cause: error });
      }
    }
  } finally {
    process.off("uncaughtExceptionMonitor", say);
    await trial.end();
  }
  return count;
}
