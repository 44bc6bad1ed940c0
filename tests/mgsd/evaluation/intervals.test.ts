import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as statistics from '../../../mgsd/evaluation/intervals.js';
import { presets } from '../../../mgsd/method/presets.js';
import { heldOutGroups } from '../../../mgsd/method/puzzles.js';
import { testRandom } from '../random.js';

const single = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));
const width = ({ low, high }: statistics.Estimate): number => high - low;

describe("Student's quantile", () => {
  test.each([
    // From tables.
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [8, 2.306],
    [30, 2.042],
    [1e9, 1.96],
  ])('with %d degrees of freedom is %d', (freedom, t) => {
    expect(Math.abs(statistics.tQuantile(freedom) / t - 1)).toBeLessThan(2e-3);
  });
});

describe('Wilson with continuity correction', () => {
  test.each([
    // Newcombe 1998, table I, method 4.
    { successes: 81, trials: 263, low: 0.2535, high: 0.3682 },
    { successes: 15, trials: 148, low: 0.0598, high: 0.1644 },
    { successes: 0, trials: 20, low: 0, high: 0.2005 },
    { successes: 1, trials: 29, low: 0.0018, high: 0.1963 },
  ])('$successes of $trials', ({ successes, trials, low, high }) => {
    const interval = statistics.wilsonInterval(successes / trials, trials, 1.959964);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  test('holds the rate, is symmetric under swapping success and failure, and refuses nonsense', () => {
    const trialsAndShare = [
      fc.double({ min: 1, max: 5000, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ] as const;
    fc.assert(
      fc.property(...trialsAndShare, (trials, share) => {
        const { value, low, high } = statistics.wilsonInterval(share, trials, 2.5);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeCloseTo(1 - statistics.wilsonInterval(1 - share, trials, 2.5).high, 12);
      }),
    );
    expect(() => statistics.wilsonInterval(0, 0, 2)).toThrow(/it takes trials/);
    expect(() => statistics.wilsonInterval(1.5, 2, 2)).toThrow(RangeError);
  });
});

describe('the interval of a rate', () => {
  test('is about the normal one when every item is its own cluster', () => {
    const interval = statistics.rateInterval(
      Array.from({ length: 600 }, (_, i) => i % 10 < 8),
      single(600),
    );
    expect(interval.value).toBeCloseTo(0.8, 12);
    expect(width(interval)).toBeCloseTo(2 * 1.96 * Math.sqrt((0.8 * 0.2) / 600), 2);
  });

  test('is wider when items of a cluster agree: ten copies of an item say little more than one', () => {
    const random = testRandom(8);
    const solved = Array.from({ length: 60 }, () => random.integer(2) === 0);
    const row = Array.from({ length: 600 }, (_, i) => solved[Math.floor(i / 10)]!);
    const clusters = row.map((_, i) => String(Math.floor(i / 10)));
    const ratio = width(statistics.rateInterval(row, clusters)) / width(statistics.rateInterval(row, single(600)));
    expect(ratio).toBeGreaterThan(2.6);
    expect(ratio).toBeLessThan(3.8);
  });

  test('holds all items of a layout for alike as long as few say otherwise', () => {
    const layouts = single(200).map(i => String(Number(i) % 20));
    const widthWith = (failures: number) =>
      width(
        statistics.rateInterval(
          layouts.map((_, i) => i >= failures),
          layouts,
        ),
      );
    const bound = statistics.wilsonInterval(1, 20, statistics.tQuantile(19));
    expect(widthWith(0)).toBeCloseTo(width(bound), 12);
    expect(widthWith(1)).toBeLessThan(widthWith(0));
    expect(widthWith(1)).toBeGreaterThan(0.7 * widthWith(0)); // one failure is little evidence
    // 20 failures in 20 layouts say that they are not alike
    const spread = statistics.rateInterval(
      layouts.map((_, i) => i >= 20),
      layouts,
    );
    expect(width(spread)).toBeLessThan(
      1.5 *
        width(
          statistics.rateInterval(
            layouts.map((_, i) => i >= 20),
            single(200),
          ),
        ),
    );
  });

  test('stays wide where all items agree, and a single layout says nothing', () => {
    const allOf = (clusters: string[]) =>
      statistics.rateInterval(
        clusters.map(() => true),
        clusters,
      );
    const fifths = single(200).map(i => String(Number(i) % 5));
    expect(allOf(fifths).low).toBeLessThan(0.9);
    expect(allOf(single(200)).low).toBeGreaterThan(0.97);
    expect(allOf(single(200).map(() => 'one'))).toEqual({ value: 1, low: 0, high: 1 });
    expect(() => statistics.rateInterval([true], ['a', 'b'])).toThrow(/1 values have 2 clusters/);
    expect(() => statistics.rateInterval([], [])).toThrow(RangeError);
  });

  // Truth: every layout has a rate of its own, Beta-distributed; another set of layouts is another draw.
  const boards = heldOutGroups(presets.small).map(({ world, level, puzzles }) => ({
    name: `${world.name} ${level}`,
    layouts: puzzles.map(({ instance }) => world.layoutKey(instance)),
  }));
  test.each(boards)('holds the truth in 93 % of simulations on $name', ({ layouts }) => {
    const random = testRandom(layouts.length + 5);
    const names = [...new Set(layouts)];
    for (const rate of [0.5, 0.8, 0.9, 0.95, 0.98])
      for (const correlation of [0.02, 0.1, 0.25, 0.5, 0.8, 0.95]) {
        const mass = (1 - correlation) / correlation;
        let held = 0;
        const runs = 300;
        for (let run = 0; run < runs; run++) {
          const rates = new Map(names.map(name => [name, beta(random, rate * mass, (1 - rate) * mass)]));
          const solved = layouts.map(layout => random.uniform() < rates.get(layout)!);
          const { low, high } = statistics.rateInterval(solved, layouts);
          if (low <= rate && rate <= high) held++;
        }
        // Two standard errors of the simulation below 93 %.
        expect(held / runs, `rate ${rate}, correlation ${correlation}`).toBeGreaterThan(0.93 - 0.03);
      }
  });
});

/** A draw from Beta(a, b), as a ratio of gamma variables (Marsaglia and Tsang 2000). */
function beta(random: { uniform(): number }, a: number, b: number): number {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const gamma = (shape: number): number => {
    if (shape < 1) return gamma(shape + 1) * (1 - random.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    for (;;) {
      const x = normal();
      const v = (1 + x / Math.sqrt(9 * d)) ** 3;
      if (v > 0 && Math.log(1 - random.uniform()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  const [x, y] = [gamma(a), gamma(b)];
  return x + y > 0 ? x / (x + y) : Number(random.uniform() < a / (a + b)); // both may be too small for a number
}

describe('the mean of independent estimates', () => {
  test('has the bounds of a sum of independent errors', () => {
    const one = { value: 0.9, low: 0.8, high: 0.94 };
    expect(statistics.meanOf([one])).toEqual(one);
    const mean = statistics.meanOf([one, { value: 0.5, low: 0.5, high: 0.5 }, one, one]);
    expect(mean.value).toBeCloseTo(0.8, 12);
    expect(mean.low).toBeCloseTo(0.8 - (0.1 * Math.sqrt(3)) / 4, 12);
    expect(mean.high).toBeCloseTo(0.8 + (0.04 * Math.sqrt(3)) / 4, 12);
  });
});

describe('cluster bootstrap', () => {
  const mean = (row: readonly boolean[]) => (weights: Float64Array) =>
    row.reduce((sum, value, i) => sum + weights[i]! * Number(value), 0) / weights.reduce((a, b) => a + b, 0);

  test('agrees with the normal interval, and widens it for few clusters', () => {
    const row = Array.from({ length: 600 }, (_, i) => i % 10 < 8);
    const interval = (clusters: string[]) => statistics.clusterBootstrap(clusters, mean(row), testRandom(1));
    const half = 1.96 * Math.sqrt((0.8 * 0.2) / 600);
    expect(interval(single(600)).low).toBeCloseTo(0.8 - half, 2);
    expect(interval(single(600)).high).toBeCloseTo(0.8 + half, 2);
    expect(interval(single(600))).toEqual(interval(single(600)));
  });

  test('takes any statistic and leaves out resamples where it has no value', () => {
    // The mean of the items marked 1; a resample may hold none of them.
    const marked = [1, 0, 0, 0];
    const ofMarked = (weights: Float64Array): number => {
      const count = weights.reduce((sum, weight, i) => sum + weight * marked[i]!, 0);
      return (5 * count) / count;
    };
    expect(statistics.clusterBootstrap(single(4), ofMarked, testRandom(1))).toEqual({ value: 5, low: 5, high: 5 });
    expect(() => statistics.clusterBootstrap([], () => 0, testRandom(1))).toThrow(/on 0 items/);
    expect(() => statistics.clusterBootstrap(['a'], () => NaN, testRandom(1))).toThrow(/NaN on 1 items/);
  });
});
