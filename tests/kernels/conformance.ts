/** Declares one property test per kernel and dtype that holds a backend to the references: see core/conformance.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernels } from '../../kernels/index.js';
import type { Draw, DType, Kernel, NumberArray } from '../../kernels/index.js';
import type { Backend } from '../../core/backend.js';
import { checkCase, conformanceCase, difference } from '../../kernels/cases.js';

export interface ConformanceOptions {
  /** `mixed`: every float buffer is f32 or f16 by chance, as in mixed precision one is beside the other. */
  readonly dtypes: readonly ('f32' | 'f16' | 'mixed')[];
  /** Random calls per kernel and dtype. */
  readonly runs: number;
  /** All kernels unless given. */
  readonly only?: readonly Kernel[];
}

/** Fixed in CI so that a failure there can be repeated; fast-check prints it with the counterexample. */
const seed = Number(process.env['MGSD_TEST_SEED'] ?? 20260606);

/** Compares one output buffer; the message names the first element that differs. */
export function expectClose(
  actual: NumberArray,
  expected: ArrayLike<number>,
  relative: number,
  dtype: DType,
  label: string,
): void {
  const problem = difference(actual, expected, relative, dtype, label);
  if (problem !== undefined) expect.fail(problem);
}

/** Declares the tests; `open` is called once, inside the suite. */
export function describeConformance(title: string, open: () => Promise<Backend>, options: ConformanceOptions): void {
  describe(title, () => {
    let backend: Promise<Backend> | undefined;
    for (const kernel of options.only ?? kernels)
      for (const dtype of options.dtypes) {
        const floats = Object.keys(kernel.buffers).filter(name => kernel.buffers[name]!.kind === 'float');
        if (dtype !== 'f32' && floats.length < (dtype === 'mixed' ? 2 : 1)) continue;
        it(`${kernel.name} ${dtype}`, async () => {
          const device = await (backend ??= open());
          const property = fc.asyncProperty(fc.gen(), async gen => {
            const draw: Draw = {
              integer: (minimum, maximum) => gen(fc.integer, { min: minimum, max: maximum }),
              pick: choices => choices[gen(fc.integer, { min: 0, max: choices.length - 1 })]!,
            };
            const example = kernel.example(draw);
            const scale = draw.pick([1, 0.01, 10, 100]);
            const noise = gen(fc.integer, { min: 0, max: 2 ** 30 });
            const dtypes =
              dtype === 'mixed'
                ? Object.fromEntries(floats.map(name => [name, draw.pick(['f32', 'f16'] as const)]))
                : dtype;
            const problem = await checkCase(device, kernel, conformanceCase(kernel, example, dtypes, scale, noise));
            if (problem !== undefined) expect.fail(problem);
          });
          await fc.assert(property, { seed, numRuns: options.runs, endOnFailure: false });
        });
      }
  });
}
