import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add, applyOp, gradcheck, mul, ops, Random, square, sum } from '../../core/index.js';
import type { AnyOp, Tensor } from '../../core/index.js';
import { cpu, drawFrom, exampleTensors } from './devices.js';

describe('every op of the table passes the gradient check in f64', () => {
  for (const [name, row] of Object.entries<AnyOp>(ops))
    it(name, async () => {
      const property = fc.asyncProperty(fc.gen(), fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (gen, seed) => {
        const report = await cpu.scope(() => {
          const random = new Random(seed);
          const example = row.example(drawFrom(gen), cpu);
          const inputs = exampleTensors(example, () => random.uniform());
          // a random projection, so that errors of single elements do not cancel in a plain sum
          const weights = new Map<number, Tensor>();
          const f = (...tensors: Tensor[]) => {
            const y = applyOp(row, tensors, example.attributes);
            let w = weights.get(y.size);
            if (!w) {
              const projection = new Random(seed, 1);
              w = cpu.tensor(
                Array.from({ length: y.size }, () => projection.normal()),
                y.shape,
                { dtype: 'f64' },
              );
              weights.set(y.size, cpu.keep(w));
            }
            return sum(mul(y, w));
          };
          return gradcheck(f, inputs, { tolerance: row.tolerance });
        });
        expect(report.worst, `${name}: ${JSON.stringify(report.worst)}`).toBeDefined();
        expect(report.ok, `${name}: worst ${JSON.stringify(report.worst)}`).toBe(true);
      });
      await fc.assert(property, { seed: 20260606, numRuns: 12, endOnFailure: false });
    });
});

describe('gradcheck itself', () => {
  it('finds a wrong gradient and says where', async () => {
    const wrong: typeof ops.square = {
      ...ops.square,
      gradient: ({ grad, inputs: [x] }) => [mul(grad, x)], // misses the factor 2
    };
    const x = cpu.tensor([0.5, 3, -0.2], [3], { dtype: 'f64' }).trainable();
    const report = await gradcheck(input => sum(applyOp(wrong, [input], {})), [x]);
    expect(report.ok).toBe(false);
    expect(report.worst).toMatchObject({ input: 0, index: 1, analytic: 3 });
    expect(report.worst!.numeric).toBeCloseTo(6, 6);
  });

  it('finds a wrong factor in a small term', async () => {
    const x = cpu.tensor([0.5, 3], [2], { dtype: 'f64' }).trainable();
    const tiny = cpu.tensor([1e-4], [], { dtype: 'f64' });
    const exact = (input: Tensor) => sum(add(square(input), mul(square(input), tiny)));
    const wrong = (input: Tensor) => sum(add(square(input), mul(square(input.detach()), tiny)));
    expect((await gradcheck(exact, [x])).ok).toBe(true);
    expect((await gradcheck(wrong, [x])).ok).toBe(false);
  });

  it('refuses f32 and functions that do not return one number', async () => {
    const x = cpu.tensor([1, 2]).trainable();
    await expect(gradcheck(input => sum(input), [x])).rejects.toThrow(/f64/);
    const y = cpu.tensor([1, 2], [2], { dtype: 'f64' }).trainable();
    await expect(gradcheck(input => square(input), [y])).rejects.toThrow(/one number/);
  });
});
