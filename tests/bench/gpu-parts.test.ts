/** What the GPU day computes without a GPU: its list of work, its counts and its tables. */
import { describe, expect, it } from 'vitest';
import { attempt } from '../../bench/gpu/attempt.js';
import { median, number, slope, table } from '../../bench/gpu/format.js';
import { checked } from '../../bench/gpu/limits.js';
import { flopsOf, nameOf, workOf } from '../../bench/gpu/products.js';
import { parts, scales } from '../../bench/gpu/scale.js';
import { summary } from '../../bench/gpu/summary.js';
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

  it('goes on after a measurement that fails, and says which', async () => {
    const problems: string[] = [];
    const fail = (): Promise<number> => Promise.reject(new Error('no such tile'));
    expect(await attempt('rung 3', problems, fail)).toBeUndefined();
    expect(await attempt('rung 4', problems, () => Promise.resolve(7))).toBe(7);
    expect(problems).toEqual(['rung 3: no such tile']);
  });

  it.each([
    ['an invalid shader', new Promise<never>(() => undefined), 'no such type', 'no such type'],
    ['a lost device', Promise.resolve({ reason: 'unknown', message: 'reset' }), undefined, 'lost (reset)'],
  ])('takes no time from %s', async (_, lost, message, said) => {
    const device = {
      lost,
      pushErrorScope: () => undefined,
      popErrorScope: () => Promise.resolve(message === undefined ? null : { message }),
    } as unknown as GPUDevice;
    await expect(checked(device, () => Promise.resolve(0.001))).rejects.toThrow(said);
  });

  it('says that all agree only of a list that was checked to its end', () => {
    const list = { mode: 'production', what: 'kernels', planned: 3, ways: {} } as const;
    const reports = [
      { ...list, checked: 0, problems: [] },
      { ...list, checked: 2, problems: [] },
      { ...list, checked: 3, problems: [] },
      { ...list, checked: 3, problems: ['tanh is off'] },
    ];
    const day = { date: '', node: '', scale: 'full', took: {}, problems: {}, parts: { correctness: reports } } as const;
    const results = [...summary(day).matchAll(/kernels \| (\d of 3) \| (.*) \|/g)].map(([, of, result]) => [
      of,
      result,
    ]);
    expect(results).toEqual([
      ['0 of 3', 'nothing was checked'],
      ['2 of 3', 'those agree'],
      ['3 of 3', 'all agree'],
      ['3 of 3', '1 do not agree'],
    ]);
  });

  it('leaves time for every part within nine minutes, and a fifth more than predicted', () => {
    for (const part of parts) expect(scales.full.predicted![part]).toBeLessThanOrEqual(scales.full.seconds[part] / 1.2);
    const seconds = parts.reduce((sum, part) => sum + scales.full.seconds[part], 0);
    expect(seconds).toBeLessThanOrEqual(9 * 60);
  });
});
