/** Computes medians, with confidence intervals that assume nothing about the distribution of the values. */

/** The median of n values and its confidence interval of 95 %. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/**
 * Estimates the median. The interval is between two of the sorted values. With fewer than six values, 95 % is
 * impossible: the interval is then from the minimum to the maximum. Throws without values.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const rank = intervalRank(n);
  return { median: quantile(sorted, 0.5), low: at(sorted, rank), high: at(sorted, n - 1 - rank), n };
}

/** Returns the quantile `p`, from 0 to 1, of values in ascending order. Interpolates between two values. */
export function quantile(sorted: readonly number[], p: number): number {
  const position = (sorted.length - 1) * p;
  const below = Math.floor(position);
  const share = position - below;
  return share === 0 ? at(sorted, below) : at(sorted, below) * (1 - share) + at(sorted, below + 1) * share;
}

/**
 * Returns how many of `n` sorted values to leave out at each end. From six values on, the interval of the rest misses
 * the median with a probability of at most 5 %.
 */
function intervalRank(n: number): number {
  let rank = 0;
  let term = 0.5 ** n;
  for (let below = term; below + (term * (n - rank)) / (rank + 1) <= 0.025; below += term) {
    term = (term * (n - rank)) / (rank + 1);
    rank += 1;
  }
  return rank;
}

function at(sorted: readonly number[], index: number): number {
  const value = sorted[index];
  if (value === undefined) throw new Error(`read value ${index} of ${sorted.length}: it does not exist`);
  return value;
}
