/** Runs a fuzzer with one seed after the other. */
import { Random } from "../../support/random.ts";

export interface Target {
  readonly name: string;
  /** Starts what is tried. */
  start(): Promise<Trial>;
}

export interface Trial {
  /** Tries something random; throws where something is found. */
  attempt(random: Random): Promise<void>;
  /** Throws where something is left that should not be. */
  end(): Promise<void>;
}

/** Gives how many attempts there were; the error of one that finds something says its seed. */
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
