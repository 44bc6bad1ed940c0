/** What must hold on every device at the ends of its range: see core/RULES.md. */
import { describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import { cpu, useDevice } from './devices.js';
import type { Device, Tensor } from '../../core/index.js';

const array = async (x: Tensor | undefined) => Array.from(await x!.read());

/** Two rows that see each other, whose slopes are 2^17 and more: on any device, by whichever way it goes. */
export async function expectInfiniteSlopes(d: Device): Promise<void> {
  const C = 16;
  const row = (k: number, v: number) => [0, k, v].flatMap(x => new Array<number>(C).fill(x));
  const qkv = d.tensor([...row(1, 400), ...row(-1, -400)], [2, 3 * C], { dtype: 'f16' }).trainable();
  const x = core.neg(core.neg(qkv)); // a leaf has f32 gradients, neg has not
  const table = d.tensor([0, 2, 0, 2, 2, 0], [1, 6], { dtype: 'i32' });
  const y = core.attention(x, { heads: 1, table, maxLength: 2 });
  y.backward({ grad: d.full([2, C], 400, { dtype: 'f16' }) });
  const dq = (await array(qkv.grad)).filter((_, i) => i % (3 * C) < C);
  expect(dq).toEqual(new Array(2 * C).fill(Infinity));
}

const mask = new core.SequenceTable([
  { length: 1, prefix: 0 },
  { length: 5, prefix: 2 },
  { length: 39, prefix: 3 },
]);

/**
 * Attention whose scores are about `size`: its gradients, which must be those that f64 gives. All products are numbers
 * of few bits, so that f32 has them exactly.
 */
export async function expectLargeScores(
  d: Device,
  { size, width, dtype }: { size: number; width: number; dtype: 'f32' | 'f16' },
): Promise<void> {
  const rows = 45;
  const wanted = size * Math.sqrt(width);
  const [a, b] = [2 ** Math.ceil(Math.log2(wanted) / 2), 2 ** Math.floor(Math.log2(wanted) / 2)];
  const apart = Math.ceil(Math.sqrt(width));
  const qkv = Array.from({ length: rows }, (_, i) => {
    const few = Array.from({ length: width }, (_, c) => ((i * 5 + c * 3) % 8) / 4 - 1);
    const [q, k] = [new Array<number>(width).fill(0), new Array<number>(width).fill(0)];
    [q[0], q[1], k[0], k[1]] = [a, 1, b, ((i * 7) % 4) * apart];
    return [...q, ...k, ...few];
  }).flat();
  const slopes = Array.from({ length: rows * width }, (_, i) => ((i * 11) % 16) / 8 - 1);
  const gradients = async (device: Device, type: 'f64' | 'f32' | 'f16') => {
    const x = device.tensor(qkv, [rows, 3 * width], { dtype: type }).trainable();
    const y = core.attention(x, { heads: 1, table: mask.toTensor(device), maxLength: 39 });
    y.backward({ grad: device.tensor(slopes, [rows, width], { dtype: type }) });
    return await array(x.grad);
  };
  const [got, want] = [await gradients(d, dtype), await gradients(cpu, 'f64')];
  const factors = [b * rows, a * rows, rows]; // what P and its slopes are multiplied by, and how often
  got.forEach((slope, i) => {
    const part = Math.floor((i % (3 * width)) / width);
    const allowed = (dtype === 'f16' ? 4e-4 : 1e-6) * factors[part]!;
    expect(Math.abs(slope - want[i]!), `${'qkv'[part]!} of row ${Math.floor(i / width / 3)}`).toBeLessThan(allowed);
  });
}

/** Where attention's output and gradients are NaN if a number of q, k or v (`part`) of a row of 45 is `odd`. */
export async function attentionNans(
  device: Device,
  at: { width: number; row: number; part: 0 | 1 | 2; odd: number; dtype?: 'f32' | 'f16' },
) {
  const random = new core.Random(3, at.width);
  const numbers = Array.from({ length: 45 * 3 * at.width }, () => random.uniform());
  numbers[(3 * at.row + at.part) * at.width] = at.odd;
  const { dtype = 'f32' } = at;
  const x = device.tensor(numbers, [45, 3 * at.width], { dtype }).trainable();
  const y = core.attention(x, { heads: 1, table: mask.toTensor(device), maxLength: 39 });
  y.backward({ grad: device.full([45, at.width], 1, { dtype }) });
  const none = (values: readonly number[]) => values.flatMap((value, i) => (Number.isNaN(value) ? [i] : []));
  return { y: none(await array(y)), grad: none(await array(x.grad)) };
}

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeCorners(title: string, open: () => Promise<Device | string>): void {
  describe(title, () => {
    const deviceOf = useDevice(open);
    const on = async (test: (device: Device) => Promise<void>) => {
      const device = deviceOf();
      await device.scope(() => test(device));
    };

    describe('f16', () => {
      const half = (test: (device: Device) => Promise<void>) =>
        on(async device => {
          if (device.capabilities.dtypes.includes('f16')) await test(device);
        });
      const dtype = { dtype: 'f16' } as const;

      it('sums and means are rounded once, at the end', () =>
        half(async d => {
          expect(await array(core.mean(d.full([257], 256, dtype)))).toEqual([256]);
          expect(await array(core.mean(d.full([3, 257, 5], 256, dtype), [1, 2]))).toEqual([256, 256, 256]);
          const turns = Float32Array.from({ length: 1200 }, (_, i) => (i < 600 ? 300 : -300));
          expect(await array(core.sum(d.tensor(turns, [2, 600], dtype), [0, 1]))).toEqual([0]);
          expect(await array(core.sum(d.tensor(turns, [2, 2, 300], dtype), [0, 2]))).toEqual([0, 0]);
          expect(await array(core.mean(d.full([3], 1, dtype), 0))).toEqual([1]);
          expect(await array(core.mean(d.full([4095], 1, dtype), 0))).toEqual([1]);
        }));

      it('gradients of broadcasting are rounded once, at the end', () =>
        half(async d => {
          const column = d.full([1, 2, 1], 1, dtype).trainable();
          // a leaf has f32 gradients, neg has not
          const y = core.add(core.neg(column), d.full([300, 2, 300], 0, dtype));
          const slopes = Float32Array.from(
            { length: 300 * 600 },
            (_, i) => (i % 600 < 300 ? 300 : -300) * (i < 90_000 ? 1 : -1),
          );
          y.backward({ grad: d.tensor(slopes, [300, 2, 300], dtype) });
          expect((await array(column.grad)).map(Math.abs)).toEqual([0, 0]);
        }));
    });

    it('slopes of attention beyond the range of f16 are infinite, as loss scaling needs them', () =>
      on(async d => {
        if (d.capabilities.dtypes.includes('f16')) await expectInfiniteSlopes(d);
      }));

    describe('attention at scores of', () => {
      it.each([1e2, 1e4, 1e6])('%d has the gradients of f64', size =>
        on(async d => {
          for (const dtype of ['f32', 'f16'] as const)
            if (d.capabilities.dtypes.includes(dtype))
              for (const width of [2, 8, 16, 20]) await expectLargeScores(d, { size, width, dtype });
        }),
      );

      it.each([1e2, 1e4, 1e6])('%d gives its gradients the weights of its output', size =>
        on(async d => {
          for (const width of [2, 4, 8, 16, 20, 64]) {
            const random = new core.Random(7, width);
            const factor = Math.sqrt(size / Math.sqrt(width));
            const numbers = Array.from({ length: 45 * 3 * width }, (_, i) =>
              i % (3 * width) < 2 * width ? factor * (1 + random.uniform()) : 1,
            );
            const x = d.tensor(numbers, [45, 3 * width]).trainable();
            core
              .attention(x, { heads: 1, table: mask.toTensor(d), maxLength: 39 })
              .backward({ grad: d.full([45, width], 1) });
            const dv = (await array(x.grad)).filter((_, i) => i % (3 * width) === 2 * width);
            // a row is given what it lends, 1 in all
            expect(dv.reduce((sum, slope) => sum + slope, 0) / 45, `width ${width}`).toBeCloseTo(1, 5);
          }
        }),
      );
    });

    describe('max', () => {
      it('shares its gradient among equals', () =>
        on(async d => {
          const x = d.tensor([1, 3, 3, 3, 2, 0], [2, 3]).trainable();
          core.max(x, 1).backward({ grad: d.tensor([4, 6]) });
          expect(await array(x.grad)).toEqual([0, 2, 2, 6, 0, 0]);
          const [a, b] = [d.tensor([1, 2, 3]).trainable(), d.tensor([1, 3, 2]).trainable()];
          core.maximum(a, b).backward({ grad: d.tensor([2, 4, 8]) });
          expect(await array(a.grad)).toEqual([1, 0, 8]);
          expect(await array(b.grad)).toEqual([1, 4, 0]);
        }));
    });

    it('the slope of gelu is 0 or 1 far out, and NaN where a NaN flows in', () =>
      on(async d => {
        const far = [-Infinity, -3e38, -1e20, -1e13, -100, -30, 30, 100, 1e13, 1e20, 3e38, Infinity];
        const x = d.tensor(far).trainable();
        core.gelu(x).backward({ grad: d.full([far.length], 2) });
        (await array(x.grad)).forEach((slope, i) => expect(slope, String(far[i])).toBeCloseTo(far[i]! < 0 ? 0 : 2, 6));
        const y = d.tensor([...far, -13, NaN, 1]).trainable();
        core.gelu(y).backward({ grad: d.tensor([...far.map(() => NaN), NaN, 1, NaN]) });
        expect((await array(y.grad)).every(Number.isNaN)).toBe(true);
      }));

    it('sigmoid is 0 or 1 far out', () =>
      on(async d => {
        const x = d.tensor([-Infinity, -1e30, -200, 200, 1e30, Infinity]).trainable();
        const y = core.sigmoid(x);
        expect(await array(y)).toEqual([0, 0, 0, 1, 1, 1]);
        y.backward({ grad: d.full([6], 1) });
        expect(await array(x.grad)).toEqual([0, 0, 0, 0, 0, 0]);
      }));

    describe('large logits', () => {
      const losses = (d: Device, base: number) => {
        const [z, t] = [[base, base, base + 1, base].map(Math.fround), [base, base + 1, base, base].map(Math.fround)];
        const student = d.tensor(z, [1, 4]).trainable();
        const [teacher, weight, floor] = [d.tensor(t, [1, 4]), d.full([1], 1), d.full([1], -100)];
        return { student, teacher, weight, floor, tokens: d.tensor([2], [1], { dtype: 'i32' }) };
      };

      it.each([0, 1e4, 1e6])('log-softmax and cross-entropy at %d', base =>
        on(async d => {
          const { student, tokens, weight } = losses(d, base);
          const ce = core.tokenCrossEntropy(student, tokens, weight);
          expect((await ce.read())[0]).toBeCloseTo(0.7436683, 6);
          ce.backward();
          expect((await student.grad!.read())[2]).toBeCloseTo(0.4753669 - 1, 6);
          expect((await core.logSoftmax(student).read())[2]).toBeCloseTo(-0.7436683, 6);
          const soft = core.crossEntropy(student, d.tensor([0, 0, 1, 0], [1, 4]), weight);
          expect((await soft.read())[0]).toBeCloseTo(0.7436683, 6);
        }),
      );

      it.each([0, 1e4, 1e6])('both KLs and the statistics at %d', base =>
        on(async d => {
          const { student, teacher, tokens, weight, floor } = losses(d, base);
          const kl = 0.4753669 - 0.1748777; // p2 - p1, times a difference of one
          for (const divergence of [core.reverseKl, core.forwardKl]) {
            const loss = divergence(student, teacher, weight, floor);
            expect((await loss.read())[0]).toBeCloseTo(kl, 6);
            student.grad = undefined;
            loss.backward();
            expect(Math.max(...(await student.grad!.read()).map(Math.abs))).toBeGreaterThan(0.1);
          }
          const stats = await core.divergenceStats(student, teacher, tokens, floor).read();
          expect(stats[0]).toBeCloseTo(-0.7436683, 6);
          for (const field of [2, 3]) expect(stats[field]).toBeCloseTo(kl, 6);
        }),
      );

      it.each([3e7, 1e8, 1e30])('logits of +-%d keep the signs', size =>
        on(async d => {
          const student = d.tensor([size, -size, 0, size], [1, 4]).trainable();
          const teacher = d.tensor([-size, size, size, 0], [1, 4]);
          for (const divergence of [core.reverseKl, core.forwardKl]) {
            const loss = divergence(student, teacher, d.full([1], 1), d.full([1], -20));
            const [value] = await loss.read();
            expect(value).toBeGreaterThan(1);
            expect(Number.isNaN(value)).toBe(false);
          }
        }),
      );

      it('a difference below the logits\u2019 rounding is none, and more is seen, at 1e8', () =>
        on(async d => {
          const student = d.tensor([1e8, 1e8, 1e8 + 8, 1e8], [1, 4]).trainable();
          const ce = core.tokenCrossEntropy(student, d.tensor([2], [1], { dtype: 'i32' }), d.full([1], 1));
          expect((await ce.read())[0]).toBeCloseTo(Math.log1p(3 * Math.exp(-8)), 6);
        }));
    });

    describe('logits of -infinity', () => {
      const inf = Infinity;
      it('are as if the vocabulary had no such token', () =>
        on(async d => {
          const full = { student: [1, -inf, 2, 0.5, -inf], teacher: [0, -inf, 1, 2, -inf] };
          const short = { student: [1, 2, 0.5], teacher: [0, 1, 2] };
          for (const floor of [-2, -100]) {
            const run = async ({ student, teacher }: typeof full, divergence: typeof core.reverseKl) => {
              const z = d.tensor(student, [1, student.length]).trainable();
              const q = d.tensor(teacher, [1, teacher.length]);
              const loss = divergence(z, q, d.full([1], 1), d.full([1], floor));
              loss.backward();
              const stats = core.divergenceStats(z, q, d.tensor([0], [1], { dtype: 'i32' }), d.full([1], floor));
              return { loss: await array(loss), grad: await array(z.grad), stats: await array(stats) };
            };
            for (const divergence of [core.reverseKl, core.forwardKl]) {
              const [masked, plain] = [await run(full, divergence), await run(short, divergence)];
              expect(masked.loss[0]).toBeCloseTo(plain.loss[0]!, 5);
              expect([masked.grad[1], masked.grad[4]].map(Math.abs as (x: number | undefined) => number)).toEqual([
                0, 0,
              ]);
              [0, 2, 3].forEach((k, i) => expect(masked.grad[k]).toBeCloseTo(plain.grad[i]!, 5));
              masked.stats.forEach((value, i) => expect(value).toBeCloseTo(plain.stats[i]!, 5));
            }
          }
        }));

      it('pass through softmax and cross-entropy', () =>
        on(async d => {
          const z = d.tensor([0, -inf, 0, -inf], [1, 4]).trainable();
          expect(await array(core.softmax(z))).toEqual([0.5, 0, 0.5, 0]);
          const loss = core.crossEntropy(z, d.tensor([1, 0, 0, 0], [1, 4]), d.full([1], 1));
          expect((await loss.read())[0]).toBeCloseTo(Math.LN2, 6);
          loss.backward();
          expect(await array(z.grad)).toEqual([-0.5, 0, 0.5, 0]);
        }));
    });

    it('rows without a distribution agree with none', () =>
      on(async d => {
        const rows = [-Infinity, Infinity, NaN].flatMap(x => [x, x, x]);
        const [none, some] = [d.tensor(rows, [3, 3]), d.full([3, 3], 1)];
        const tokens = d.tensor([0, 1, 2], [3], { dtype: 'i32' });
        for (const [p, q] of [
          [none, some],
          [some, none],
          [none, none],
        ] as const) {
          const stats = await core.divergenceStats(p, q, tokens, d.full([1], -100)).read();
          for (const row of [0, 1, 2]) expect(stats[8 * row + 6], `row ${row}`).toBeNaN();
        }
      }));

    describe('attention passes over a sequence that', () => {
      it.each([
        ['has more rows than there are', [0, 5, 0, 5, 0, 0], 5],
        ['begins behind the rows', [40, 2, 40, 2, 0, 0], 2],
        ['begins before them', [-3, 2, -3, 2, 0, 0], 2],
        ['is longer than was said', [0, 2, 0, 2, 0, 0], 1],
        ['has half a million keys', [0, 2, 0, 500_000, 0, 0], 500_000],
        ['has half a million keys, which was not said', [0, 2, 0, 500_000, 0, 0], 2],
        ['has fewer rows than none', [0, -2, 0, -2, 0, 0], 2],
        ['has a prefix below 0', [0, 2, 0, 2, -5, 0], 2],
        ['stands at a position below 0', [0, 2, 0, 2, 0, -9], 2],
        ['stands at the last position there is', [0, 2, 0, 2, 0, 2 ** 31 - 1], 2],
        ['overflows', [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 0, 0], 2 ** 31 - 1],
      ])('%s', (_, wrong, maxLength) =>
        on(async d => {
          const around = Array.from({ length: 4 }, () => d.full([64], 5));
          for (const headDim of [2, 4, 16]) {
            const qkv = d.tensor(
              Float32Array.from({ length: 9 * headDim }, (_, i) => Math.sin(i)),
              [3, 3 * headDim],
            );
            const run = async (table: readonly number[], most: number) => {
              const x = qkv.detach().trainable();
              const index = d.tensor(table, [table.length / 6, 6], { dtype: 'i32' });
              const y = core.attention(x, { heads: 1, table: index, maxLength: most });
              around.push(d.full([64], 5));
              y.backward({ grad: d.full(y.shape, 1) });
              // row 2 is a sequence of its own
              return [(await array(y)).slice(2 * headDim), (await array(x.grad)).slice(6 * headDim)];
            };
            const right = [2, 1, 2, 1, 0, 0];
            expect(await run([...wrong, ...right], Math.max(1, maxLength < 1000 ? maxLength : 2))).toEqual(
              await run(right, 1),
            );
          }
          for (const x of around) expect(await array(x)).toEqual(new Array(64).fill(5));
        }),
      );
    });

    it.each([1, 2, 4, 16])('attention of %d channels at the ends of the range', width =>
      on(async d => {
        // a query of ones; keys and values by row
        const attend = async (keys: readonly number[], values: readonly number[], prefix = 0) => {
          const rows = keys.flatMap((key, i) => [
            ...new Array<number>(width).fill(1),
            ...[key, ...new Array<number>(width - 1).fill(0)],
            ...new Array<number>(width).fill(values[i]!),
          ]);
          const sequences = new core.SequenceTable([{ length: keys.length, prefix }]);
          const attributes = { heads: 1, table: sequences.toTensor(d), maxLength: keys.length };
          const y = await array(core.attention(d.tensor(rows, [keys.length, 3 * width]), attributes));
          return keys.map((_, i) => y[i * width]!);
        };
        for (const row of await attend([-Infinity, -Infinity, -Infinity], [1, 2, 3])) expect(row).toBeNaN();
        expect(await attend([-Infinity], [1])).toEqual([NaN]);
        expect(await attend([0, -Infinity, 0], [1, 7, 3])).toEqual([1, 1, 2]);
        expect(await attend([-1e31, -1e31], [1, 3])).toEqual([1, 2]);
        expect(await attend([-1e31], [5])).toEqual([5]);
        expect(await attend([1e31, 0, 1e31], [1, 7, 3])).toEqual([1, 1, 2]);
        // what a query does not see is nothing to it
        for (const odd of [NaN, Infinity, -Infinity])
          expect((await attend([0, 0, 0, 0, 0, 0], [1, 3, 5, 7, odd, odd])).slice(0, 4)).toEqual([1, 2, 3, 4]);
        expect((await attend([0, 0, NaN, 0, 0], [1, 3, 5, 7, 9])).slice(0, 2)).toEqual([1, 2]);
      }),
    );

    it('a NaN reaches those gradients of attention that depend on it, and no others', () =>
      on(async d => {
        for (const width of [2, 4, 16])
          for (const [row, part] of [
            [6, 0],
            [9, 1],
            [9, 2],
            [0, 2],
            [20, 0],
            [44, 2],
          ] as const)
            for (const odd of [NaN, Infinity]) {
              const where = { width, row, part, odd };
              const [got, want] = [await attentionNans(d, where), await attentionNans(cpu, where)];
              expect(got, `${odd} in ${'qkv'[part]} of row ${row}`).toEqual(want);
            }
      }));

    it('views of indices are refused, not read from the start', () =>
      on(async d => {
        const index = d.tensor([9, 1, 0, 9], [4], { dtype: 'i32' });
        const inner = core.slice(index, 0, 1, 3);
        expect(await array(inner)).toEqual([1, 0]);
        const table = d.full([2, 2], 1);
        for (const call of [
          () => core.gatherRows(table, inner),
          () => core.tokenCrossEntropy(table, inner, d.full([2], 1)),
          () => core.divergenceStats(table, table, inner, d.full([1], -100)),
        ])
          expect(call).toThrow(/a view \[2\] at 1 with strides \[1\] of indices: make them a tensor/);
        expect(() => core.add(index, index)).toThrow(/a is i32; .* \(i32 holds indices alone\)/);
      }));

    it('rows of weight 0 and of no token count nothing, even if their logits are NaN', () =>
      on(async d => {
        const rows = [NaN, 1, 2, 1, 2, 3];
        const [one, zero] = [d.tensor([0, 1]), d.tensor([0, 1])];
        const each: [string, (z: Tensor) => Tensor][] = [
          ['tokens', z => core.tokenCrossEntropy(z, d.tensor([-100, 2], [2], { dtype: 'i32' }), d.full([2], 1))],
          ['weight', z => core.tokenCrossEntropy(z, d.tensor([1, 2], [2], { dtype: 'i32' }), one)],
          ['soft', z => core.crossEntropy(z, d.full([2, 3], 1 / 3), zero)],
          ['reverse', z => core.reverseKl(z, d.full([2, 3], 1), one, d.full([1], -100))],
          ['forward', z => core.forwardKl(z, d.full([2, 3], 1), one, d.full([1], -100))],
        ];
        for (const [name, loss] of each) {
          const z = d.tensor(rows, [2, 3]).trainable();
          const y = loss(z);
          core.sum(y).backward();
          expect((await array(y))[0], name).toBe(0);
          expect((await array(z.grad)).slice(0, 3).map(Math.abs), name).toEqual([0, 0, 0]);
          expect((await array(z.grad)).every(Number.isFinite), name).toBe(true);
        }
      }));

    it('the smallest temperature draws the likeliest token', () =>
      on(async d => {
        const logits = d.tensor([-3, 2, 5, 1, -1, -2, -9, -3], [2, 4]);
        for (const temperature of [0, 1e-45, 1e-40, 1e-30, 1e-6]) {
          const index = (values: number[]) => d.tensor(values, [values.length], { dtype: 'i32' });
          const tokens = d.tensor([0, 0], [2, 1], { dtype: 'i32' });
          const state = {
            logits,
            bias: d.full([4], 0),
            temperature: d.full([1], temperature),
            control: index([5, 6, 7, 9, 0]),
          };
          core.sampleTokens({ ...state, done: index([0, 0]), tokens, next: index([0, 0]) }, 0);
          expect(await array(tokens), String(temperature)).toEqual([2, 0]);
        }
      }));

    describe('indices outside of a table', () => {
      it('have no loss and no statistics as tokens', () =>
        on(async d => {
          const logits = d.full([4, 3], 1).trainable();
          const tokens = d.tensor([3, -1, 2 ** 31 - 1, 1], [4], { dtype: 'i32' });
          const loss = core.tokenCrossEntropy(logits, tokens, d.full([4], 1));
          core.sum(loss).backward();
          expect((await array(loss)).slice(0, 3)).toEqual([0, 0, 0]);
          expect((await array(logits.grad)).slice(0, 9).map(Math.abs)).toEqual(new Array(9).fill(0));
          const stats = await core.divergenceStats(logits, logits, tokens, d.full([1], -100)).read();
          for (const row of [0, 1, 2]) expect(Array.from(stats.slice(8 * row, 8 * row + 2))).toEqual([0, 0]);
        }));

      it('gather zeros, and pass no gradient', () =>
        on(async d => {
          const table = d.tensor([1, 2, 3, 4], [2, 2]).trainable();
          const before = d.full([64], 5);
          const index = d.tensor([0, 32, 64, -1, 2, 2 ** 31 - 1, -(2 ** 31), 1], [8], { dtype: 'i32' });
          const y = core.gatherRows(table, index);
          expect(await array(y)).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4]);
          const after = d.full([64], 5);
          y.backward({ grad: d.full([8, 2], 1) });
          expect(await array(table.grad)).toEqual([1, 1, 1, 1]);
          expect(await array(before)).toEqual(new Array(64).fill(5));
          expect(await array(after)).toEqual(new Array(64).fill(5));
        }));
    });
  });
}
