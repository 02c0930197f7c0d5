/** Medians with an interval that assumes nothing of how the values are spread. */

/** The median of n values, and the interval that holds the true one in at least 95 of 100 runs. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** The interval is of order statistics; under six values there is none so sure, and it is from the least to the greatest. */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const rank = intervalRank(n);
  return { median: quantile(sorted, 0.5), low: at(sorted, rank), high: at(sorted, n - 1 - rank), n };
}

/** The value below which the part p of the values, sorted upwards, lies. */
export function quantile(sorted: readonly number[], p: number): number {
  const position = (sorted.length - 1) * p;
  const below = Math.floor(position);
  const share = position - below;
  return share === 0 ? at(sorted, below) : at(sorted, below) * (1 - share) + at(sorted, below + 1) * share;
}

/** How many of n sorted values may be left out at each end, so that both ends together miss the median in at most 5 %. */
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
  if (value === undefined) throw new Error(`read value ${index} of ${sorted.length}: there is none`);
  return value;
}
