/**
 * 95 % intervals for the tables. Puzzles that share a layout, mirrored and rotated ones included, succeed or fail
 * together, so what counts as independent is the layout: the *cluster* below.
 */
import type { RandomSource } from '../worlds/world.js';

/** A value with the bounds of its confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Two-sided 95 % quantile of Student's t by degrees of freedom, at least 1: Cornish-Fisher (Abramowitz and Stegun
 * 26.7.5).
 */
export function tQuantile(freedom: number): number {
  if (freedom <= 2) return freedom === 1 ? 12.7062 : 4.3027; // the series begins to hold at 3
  const z = 1.959964;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160,
  ];
  return terms.reduce((sum, term, i) => sum + term / freedom ** (i + 1), z);
}

/**
 * Wilson's score interval with continuity correction (Newcombe 1998, method 4) for a share `p` of `trials` independent
 * trials, which need not be whole. It stays inside 0..1 and is sensible at 0 and 1. RangeError without trials.
 * @param z two-sided quantile; for few trials Student's instead of the normal one
 */
export function wilsonInterval(p: number, trials: number, z: number): Estimate {
  if (!(trials > 0 && p >= 0 && p <= 1))
    throw new RangeError(`${p} of ${trials} trials is no rate: it takes trials and a share from 0 to 1`);
  const bound = (share: number) => {
    const root = Math.sqrt(Math.max(0, z ** 2 - 2 - 1 / trials + 4 * share * (trials * (1 - share) + 1)));
    return Math.max(0, (2 * trials * share + z ** 2 - 1 - z * root) / (2 * (trials + z ** 2)));
  };
  return { value: p, low: p === 0 ? 0 : Math.min(p, bound(p)), high: p === 1 ? 1 : Math.max(p, 1 - bound(1 - p)) };
}

/** Index of each item's cluster, in the order of first appearance, and the number of clusters. */
function numbered(clusters: readonly string[]): { clusterOf: Int32Array; count: number } {
  const numbers = new Map<string, number>();
  const clusterOf = Int32Array.from(clusters, name => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
  return { clusterOf, count: numbers.size };
}

/**
 * Items of a cluster are held to be all alike before anything is seen, and that counts as much as so many items of the
 * rarer outcome: where all have succeeded, nothing is known of how alike they are.
 */
const PRIOR_ITEMS = 2;

/**
 * The mean of values in 0..1, with Wilson's interval for as many trials as the items are worth (Kish 1965; Dean and
 * Pagano 2015): n / (1 + (m - 1) r), where m = sum of squared sizes / n is the mean size of a cluster as an item sees
 * it, and r the correlation inside clusters. r is estimated from the clusters' sums and drawn towards 1, the more so
 * the fewer clusters or items of the rarer outcome there are. Student's quantile allows for few clusters, of which
 * there are n / m in effect (Carter, Schnepel and Steigerwald 2017); of a single one nothing follows, and the interval
 * is 0..1.
 * Simulated coverage is at least 93 % on every board, for correlations from 0.02 to 0.95
 * (tests/mgsd/evaluation/intervals.test.ts). RangeError without items.
 * @param clusters the layout of every item
 */
export function rateInterval(values: readonly (number | boolean)[], clusters: readonly string[]): Estimate {
  const { clusterOf, count } = numbered(clusters);
  const n = values.length;
  if (n !== clusters.length) throw new RangeError(`${n} values have ${clusters.length} clusters: each value has one`);
  const p = values.reduce<number>((sum, value) => sum + Number(value), 0) / n;
  if (count === 1) return { value: p, low: 0, high: 1 };
  const [sizes, deviations] = [new Float64Array(count), new Float64Array(count)];
  values.forEach((value, item) => {
    sizes[clusterOf[item]!]!++;
    deviations[clusterOf[item]!]! += Number(value) - p;
  });
  const variance = ((count / (count - 1)) * sumOfSquares(deviations)) / n ** 2;
  const size = sumOfSquares(sizes) / n;
  const excess = size > 1 && p > 0 && p < 1 ? ((variance * n) / (p * (1 - p)) - 1) / (size - 1) : 0;
  const seen = Math.min(1, Math.max(0, excess));
  const evidence = Math.min(count - 1, n * Math.min(p, 1 - p));
  const correlation = (PRIOR_ITEMS + evidence * seen) / (PRIOR_ITEMS + evidence);
  const freedom = Math.max(1, Math.round(n / size) - 1);
  return wilsonInterval(p, n / (1 + (size - 1) * correlation), tQuantile(freedom));
}

function sumOfSquares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value ** 2, 0);
}

/** The mean of independent estimates, their bounds by the square-and-add rule (MOVER; Zou and Donner 2008). */
export function meanOf(estimates: readonly Estimate[]): Estimate {
  const count = estimates.length;
  const value = estimates.reduce((sum, estimate) => sum + estimate.value, 0) / count;
  const spread = (bound: 'low' | 'high') =>
    Math.sqrt(estimates.reduce((sum, estimate) => sum + (estimate[bound] - estimate.value) ** 2, 0)) / count;
  return { value, low: value - spread('low'), high: value + spread('high') };
}

/**
 * Interval of any statistic by the cluster bootstrap: each of 2000 resamples draws as many clusters as there are, with
 * replacement, and gives every item the number of times its cluster was drawn as weight: (items). Few clusters vary too
 * little when they are drawn from themselves, so the percentile interval is widened by sqrt(g / (g - 1)) t / z
 * (Hesterberg 2015). `statistic` maps weights to a value; resamples where it is not finite (an empty group, a ratio by
 * 0) are left out. RangeError if the value itself is not finite, or if there are no items.
 * @param random the draws; with a generator made from a fixed seed the interval is the same every time
 */
export function clusterBootstrap(
  clusters: readonly string[],
  statistic: (weights: Float64Array) => number,
  random: RandomSource,
): Estimate {
  const { clusterOf, count } = numbered(clusters);
  const weights = new Float64Array(clusters.length).fill(1);
  const value = statistic(weights);
  if (clusters.length === 0 || !Number.isFinite(value))
    throw new RangeError(`no interval for a statistic that is ${value} on ${clusters.length} items`);

  const drawn = new Float64Array(count);
  const values: number[] = [];
  for (let resample = 0; resample < 2000; resample++) {
    drawn.fill(0);
    for (let draw = 0; draw < count; draw++) drawn[random.integer(count)]!++;
    for (let item = 0; item < weights.length; item++) weights[item] = drawn[clusterOf[item]!]!;
    const sampled = statistic(weights);
    if (Number.isFinite(sampled)) values.push(sampled);
  }
  values.sort((a, b) => a - b);
  const widened = count > 1 ? (Math.sqrt(count / (count - 1)) * tQuantile(count - 1)) / 1.959964 : 1;
  const bound = (q: number) => value + widened * ((quantile(values, q) ?? value) - value);
  return { value, low: bound(0.025), high: bound(0.975) };
}

/** The q-quantile of ascending values by linear interpolation, undefined of none. */
function quantile(sorted: readonly number[], q: number): number | undefined {
  const place = q * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  return below === undefined || above === undefined ? undefined : below + (place - Math.floor(place)) * (above - below);
}
