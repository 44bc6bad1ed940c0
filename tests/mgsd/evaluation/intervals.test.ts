import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as statistics from '../../../mgsd/evaluation/intervals.js';
import { testRandom } from '../random.js';

const single = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));
const options = (seed = 1): statistics.BootstrapOptions => ({ random: testRandom(seed) });

describe('Wilson', () => {
  test.each([
    // Values of Newcombe 1998, table I, method 3.
    { successes: 81, trials: 263, low: 0.2553, high: 0.3662 },
    { successes: 15, trials: 148, low: 0.0624, high: 0.1605 },
    { successes: 0, trials: 20, low: 0, high: 0.1611 },
    { successes: 1, trials: 29, low: 0.0061, high: 0.1718 },
  ])('$successes of $trials', ({ successes, trials, low, high }) => {
    const interval = statistics.wilsonInterval(successes, trials);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  test('holds the rate, is symmetric under swapping success and failure, and refuses nonsense', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (trials, share) => {
        const successes = Math.round(trials * share);
        const { value, low, high } = statistics.wilsonInterval(successes, trials);
        const mirrored = statistics.wilsonInterval(trials - successes, trials);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeCloseTo(1 - mirrored.high, 12);
      }),
    );
    expect(() => statistics.wilsonInterval(0, 0)).toThrow(/at least one trial/);
    expect(() => statistics.wilsonInterval(3, 2)).toThrow(RangeError);
  });
});

describe('cluster bootstrap', () => {
  test('agrees with the normal interval when every item is its own cluster', () => {
    const row = Array.from({ length: 600 }, (_, i) => i % 10 < 8);
    const { value, low, high } = statistics.meanInterval(row, single(600), options());
    const half = 1.96 * Math.sqrt((0.8 * 0.2) / 600);
    expect(value).toBeCloseTo(0.8, 12);
    expect(low).toBeCloseTo(0.8 - half, 2);
    expect(high).toBeCloseTo(0.8 + half, 2);
  });

  test('is wider when items of a cluster agree: ten copies of an item say no more than one', () => {
    const random = testRandom(8);
    const solved = Array.from({ length: 60 }, () => random.integer(2) === 0);
    const row = Array.from({ length: 600 }, (_, i) => solved[Math.floor(i / 10)]!);
    const clusters = row.map((_, i) => String(Math.floor(i / 10)));
    const width = (names: string[]): number => {
      const { low, high } = statistics.meanInterval(row, names, options());
      return high - low;
    };
    expect(width(clusters) / width(single(600))).toBeGreaterThan(2.6);
    expect(width(clusters) / width(single(600))).toBeLessThan(3.8);
  });

  test('is the same for the same seed, holds the value, and is a point where nothing varies', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 50 }), fc.nat(), (row, seed) => {
        const interval = () => statistics.meanInterval(row, single(row.length), { ...options(seed), resamples: 200 });
        expect(interval()).toEqual(interval());
        expect(interval().low).toBeLessThanOrEqual(interval().high);
      }),
      { numRuns: 30 },
    );
    expect(statistics.meanInterval([true, true], ['a', 'b'], options())).toEqual({ value: 1, low: 1, high: 1 });
  });

  test('takes any statistic and leaves out resamples where it has no value', () => {
    // The mean of the items marked 1; a resample may hold none of them.
    const marked = [1, 0, 0, 0];
    const mean = (weights: Float64Array): number => {
      const count = weights.reduce((sum, weight, i) => sum + weight * marked[i]!, 0);
      return (5 * count) / count;
    };
    expect(statistics.clusterBootstrap(single(4), mean, options())).toEqual({ value: 5, low: 5, high: 5 });
    expect(() => statistics.clusterBootstrap([], () => 0, options())).toThrow(/on 0 items/);
    expect(() => statistics.clusterBootstrap(['a'], () => NaN, options())).toThrow(/NaN on 1 items/);
  });
});

describe('comparing rows', () => {
  const other = Array.from({ length: 400 }, (_, i) => i % 4 === 0);

  test('pairing removes what both rows share', () => {
    const row = other.map((solved, i) => solved || i % 20 === 1);
    const paired = statistics.pairedDifference(row, other, single(400), options());
    expect(paired.value).toBeCloseTo(0.05, 12);
    expect(paired.low).toBeGreaterThan(0.02);
    const separate = [row, other].map(r => statistics.meanInterval(r, single(400), options()));
    expect(paired.high - paired.low).toBeLessThan(separate[0]!.high - separate[0]!.low);
  });

  test('a row does not differ from itself', () => {
    expect(statistics.pairedDifference(other, other, single(400), options())).toEqual({ value: 0, low: 0, high: 0 });
  });

  test('rows of different lengths are refused', () => {
    expect(() => statistics.pairedDifference(other, [true], single(400), options())).toThrow(/a row has 1 items/);
  });
});
