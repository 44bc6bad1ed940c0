/** What the GPU day computes without a GPU: its list of work, its counts and its tables. */
import { describe, expect, it } from 'vitest';
import { median, number, slope, table } from '../../bench/gpu/format.js';
import { flopsOf, nameOf, workOf } from '../../bench/gpu/products.js';
import { parts, scales } from '../../bench/gpu/scale.js';
import { stepFlops } from '../../bench/gpu/training.js';
import { modelPresets, parameterSpecs } from '../../models/index.js';

describe('GPU day, its parts', () => {
  it('medians and numbers', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow('median');
    expect([0, 1234, 56.78, 0.001234, undefined, NaN].map(number)).toEqual(['0', '1234', '56.8', '0.00123', '-', '-']);
    expect(table(['a'], [['1']])).toBe('| a |\n| --- |\n| 1 |');
  });

  it('fits exponents', () => {
    expect(slope([1, 2, 4, 8].map(x => [x, 3 * x ** 1.5]))).toBeCloseTo(1.5, 12);
  });

  it('names every piece of work differently, and counts it', () => {
    for (const scale of Object.values(scales)) {
      const work = workOf(scale);
      const names = work.map(nameOf);
      expect(new Set(names).size).toBeGreaterThan(names.length * 0.8); // a square may also be a product of ours
      for (const item of work) expect(flopsOf(item)).toBeGreaterThan(0);
    }
    expect(flopsOf({ kind: 'matmul', layout: 'nn', m: 2, n: 3, k: 4, what: '' })).toBe(48);
  });

  it('counts six operations per weight of a block and row', () => {
    const config = modelPresets.small;
    const weights = (prefix: string) =>
      parameterSpecs(config)
        .filter(({ name, shape }) => name.startsWith(`${prefix}.block`) && shape.length === 2)
        .reduce((sum, { shape }) => sum + shape[0]! * shape[1]!, 0);
    const expected = 6 * 3 * (weights('vision') * 64 + weights('decoder') * (66 + 10));
    expect(stepFlops(config, 3, 10)).toBe(expected);
  });

  it('leaves time for every part within nine minutes', () => {
    const seconds = parts.reduce((sum, part) => sum + scales.full.seconds[part], 0);
    expect(seconds).toBeLessThanOrEqual(9 * 60);
  });
});
