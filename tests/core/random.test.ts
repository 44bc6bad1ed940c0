import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice, Random } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { randomUniformKernel } from '../../kernels/index.js';
import { cpu } from './devices.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const word = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe('Random', () => {
  it.each(['cpu', 'wasm'] as const)('draws on the host what the kernel draws on %s, bit by bit', async name => {
    const device = name === 'cpu' ? cpu : wasm;
    const property = fc.asyncProperty(
      word,
      word,
      word,
      fc.integer({ min: 1, max: 300 }),
      async (seed, stream, step, n) => {
        const values = await device.scope(() => {
          const y = device.empty([n]);
          device.launch(
            randomUniformKernel,
            { control: device.tensor([seed, stream, step, 0, 0], [5], { dtype: 'i32' }), y },
            { n },
          );
          return y.read();
        });
        const random = new Random(seed, stream, step);
        expect(Array.from(values)).toEqual(Array.from({ length: n }, () => random.uniform()));
      },
    );
    await fc.assert(property, { seed: 20260606, numRuns: 30 });
  });

  it('goes on from its state, and other seeds, streams and steps give other numbers', () => {
    const draw = (random: Random) => Array.from({ length: 8 }, () => random.uniform());
    const random = new Random(1, 2, 3);
    draw(random);
    const state = { ...random.state };
    const next = draw(random);
    expect(draw(Random.from(state))).toEqual(next);
    expect(state).toEqual({ seed: 1, stream: 2, step: 3, index: 8 });
    const first = draw(new Random(1, 2, 3));
    for (const other of [new Random(2, 2, 3), new Random(1, 3, 3), new Random(1, 2, 4)])
      expect(draw(other)).not.toEqual(first);
  });

  it('is uniform: in 64 cells, in pairs of neighbours, and across seeds (chi-square)', () => {
    const n = 64_000;
    const cells = 64;
    const statistic = (cell: (i: number) => number) => {
      const counts = new Float64Array(cells);
      for (let i = 0; i < n; i++) counts[cell(i)]!++;
      return counts.reduce((sum, count) => sum + (count - n / cells) ** 2 / (n / cells), 0);
    };
    // 63 degrees of freedom: mean 63, deviation 11.2; four deviations on each side
    const expectUniform = (value: number) => {
      expect(value).toBeGreaterThan(63 - 4 * 11.2);
      expect(value).toBeLessThan(63 + 4 * 11.2);
    };
    const a = new Random(5, 1);
    expectUniform(statistic(() => Math.floor(a.uniform() * cells)));
    const b = new Random(5, 2);
    expectUniform(statistic(() => Math.floor(b.uniform() * 8) * 8 + Math.floor(b.uniform() * 8)));
    expectUniform(statistic(i => Math.floor(new Random(i).uniform() * cells)));
    const c = new Random(5, 3);
    expectUniform(statistic(() => c.integer(cells)));
  });

  it('stays inside (0, 1) and below n', () => {
    const property = fc.property(word, fc.integer({ min: 1, max: 2 ** 31 }), (seed, n) => {
      const random = new Random(seed);
      const u = random.uniform();
      expect(u > 0 && u < 1).toBe(true);
      expect(Math.fround(u)).toBe(u);
      const k = random.integer(n);
      expect(Number.isInteger(k) && k >= 0 && k < n).toBe(true);
    });
    fc.assert(property, { seed: 20260606, numRuns: 300 });
  });

  it('normal numbers have mean 0, variance 1 and the right share within one deviation', () => {
    const random = new Random(6);
    const values = Array.from({ length: 40_000 }, () => random.normal());
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length).toBeCloseTo(1, 1);
    expect(values.filter(x => Math.abs(x) < 1).length / values.length).toBeCloseTo(0.6827, 1);
  });

  it('shuffles in place, keeps every item, and reaches every order about equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const items = [1, 2, 3];
      expect(new Random(seed, 8).shuffle(items)).toBe(items);
      counts.set(items.join(''), (counts.get(items.join('')) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['123', '132', '213', '231', '312', '321']);
    const deviation = Math.sqrt((6000 * 5) / 36);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * deviation);
  });
});
