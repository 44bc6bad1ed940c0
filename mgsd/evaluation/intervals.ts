/**
 * Intervals for the tables. Success rates of puzzles that share a layout are not independent, so the intervals of means,
 * differences and gaps come from a bootstrap that draws whole layouts, not puzzles.
 */

import type { RandomSource } from '../worlds/world.js';

/** A value with the bounds of its confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Two-sided normal quantile for 95 %. */
const Z_95 = 1.959963984540054;

/**
 * Wilson's score interval for `successes` of `trials` independent trials (Wilson 1927), 95 % unless another quantile `z` is
 * given. It stays inside 0..1 and is sensible at 0 and at all successes. RangeError without trials.
 */
export function wilsonInterval(successes: number, trials: number, z = Z_95): Estimate {
  if (!(trials > 0) || successes < 0 || successes > trials)
    throw new RangeError(
      `${successes} of ${trials} is no success rate: it takes at least one trial and 0 to all successes`,
    );
  const p = successes / trials;
  const shrink = 1 + z ** 2 / trials;
  const centre = (p + z ** 2 / (2 * trials)) / shrink;
  const half = (z / shrink) * Math.sqrt((p * (1 - p)) / trials + z ** 2 / (4 * trials ** 2));
  // At the ends the bound is exact; rounding must not take it past the value.
  return {
    value: p,
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === trials ? 1 : Math.min(1, centre + half),
  };
}

export interface BootstrapOptions {
  /** The draws; with a generator made from a fixed seed the interval is the same every time. */
  readonly random: RandomSource;
  /** Number of resamples, 2000 unless given. */
  readonly resamples?: number;
  /** Coverage, 0.95 unless given. */
  readonly level?: number;
}

/**
 * Percentile interval of any statistic by the cluster bootstrap: each resample draws as many clusters as there are, with
 * replacement, and gives every item the number of times its cluster was drawn as weight: (items). `statistic` maps weights
 * to a value; resamples where it is not finite (an empty group, a ratio by 0) are left out. RangeError if the value itself
 * is not finite, or if there are no items.
 */
export function clusterBootstrap(
  clusters: readonly string[],
  statistic: (weights: Float64Array) => number,
  { random, resamples = 2000, level = 0.95 }: BootstrapOptions,
): Estimate {
  const numbers = new Map<string, number>();
  const clusterOf = Int32Array.from(clusters, name => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
  const weights = new Float64Array(clusters.length).fill(1);
  const value = statistic(weights);
  if (clusters.length === 0 || !Number.isFinite(value))
    throw new RangeError(`no interval for a statistic that is ${value} on ${clusters.length} items`);

  const drawn = new Float64Array(numbers.size);
  const values: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    drawn.fill(0);
    for (let draw = 0; draw < numbers.size; draw++) drawn[random.integer(numbers.size)]!++;
    for (let item = 0; item < weights.length; item++) weights[item] = drawn[clusterOf[item]!]!;
    const sampled = statistic(weights);
    if (Number.isFinite(sampled)) values.push(sampled);
  }
  values.sort((a, b) => a - b);
  const tail = (1 - level) / 2;
  return { value, low: quantile(values, tail) ?? value, high: quantile(values, 1 - tail) ?? value };
}

/**
 * The same for a statistic that lies in 0..1. At 0 and at 1 all resamples agree and their interval would be empty, though
 * nobody knows so much: there the bound is Wilson's for as many trials as there are clusters.
 */
export function boundedBootstrap(
  clusters: readonly string[],
  statistic: (weights: Float64Array) => number,
  options: BootstrapOptions,
): Estimate {
  const estimate = clusterBootstrap(clusters, statistic, options);
  if (estimate.low < estimate.high || (estimate.value > 0 && estimate.value < 1)) return estimate;
  const trials = new Set(clusters).size;
  return wilsonInterval(Math.round(estimate.value) * trials, trials);
}

/** The q-quantile of ascending values by linear interpolation, undefined of none. */
function quantile(sorted: readonly number[], q: number): number | undefined {
  const place = q * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  return below === undefined || above === undefined ? undefined : below + (place - Math.floor(place)) * (above - below);
}

/** Mean of the values with weights that are given later; NaN if all of them are 0. Booleans count as 0 and 1. */
function weightedMean(row: readonly (number | boolean)[]): (weights: Float64Array) => number {
  const values = Float64Array.from(row, Number);
  return weights => {
    let sum = 0;
    let total = 0;
    for (let item = 0; item < values.length; item++) {
      sum += values[item]! * weights[item]!;
      total += weights[item]!;
    }
    return sum / total;
  };
}

function checkPaired(clusters: readonly string[], ...rows: readonly (readonly unknown[])[]): void {
  const wrong = rows.find(row => row.length !== clusters.length);
  if (wrong !== undefined)
    throw new RangeError(
      `a row has ${wrong.length} items and there are ${clusters.length} clusters: rows are compared item by item, in one order`,
    );
}

/** The mean of one row with its cluster-bootstrap interval. `clusters` holds the layout of every item. */
export function meanInterval(
  row: readonly (number | boolean)[],
  clusters: readonly string[],
  options: BootstrapOptions,
): Estimate {
  checkPaired(clusters, row);
  return clusterBootstrap(clusters, weightedMean(row), options);
}

/** The same for values in 0..1, see `boundedBootstrap`. */
export function rateInterval(
  row: readonly (number | boolean)[],
  clusters: readonly string[],
  options: BootstrapOptions,
): Estimate {
  checkPaired(clusters, row);
  const first = Number(row[0]);
  const isCertain = (first === 0 || first === 1) && row.every(value => Number(value) === first);
  return boundedBootstrap(clusters, weightedMean(row), isCertain ? { ...options, resamples: 1 } : options);
}

/**
 * Mean(row) - mean(other) on the same items in the same order, with an interval. Items are paired, so what makes an item
 * hard for both rows drops out; the rows differ beyond the interval if it does not hold 0.
 */
export function pairedDifference(
  row: readonly (number | boolean)[],
  other: readonly (number | boolean)[],
  clusters: readonly string[],
  options: BootstrapOptions,
): Estimate {
  checkPaired(clusters, row, other);
  const [mean, otherMean] = [weightedMean(row), weightedMean(other)];
  return clusterBootstrap(clusters, weights => mean(weights) - otherMean(weights), options);
}
