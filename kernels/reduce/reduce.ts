/**
 * Reductions along the middle axis of [outer, axis, inner]: row sums, column sums, means and maxima are all of this
 * form.
 */
import { ceilDivide, defineKernel } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { reduceWgsl } from './reduce.wgsl.js';

const reductions = {
  sum: { start: 0, combine: (total: number, x: number) => total + x },
  max: { start: -Infinity, combine: Math.max },
} as const;

/** Names in `reduceKernels`. */
export type ReductionName = keyof typeof reductions;

/** Columns that one unit of work reduces when `inner` is larger than one. */
const columnsPerUnit = 16;

function defineReduction(name: ReductionName) {
  const { start, combine } = reductions[name];
  return defineKernel({
    name: `reduce_${name}`,
    summary: `y[outer, inner] = ${name} over axis of x[outer, axis, inner], NaN where one of them is NaN`,
    buffers: { x: { access: 'read', kind: 'float' }, y: { access: 'write', kind: 'float' } },
    params: { outer: 'u32', axis: 'u32', inner: 'u32' },
    reference({ x, y }, { outer, axis, inner }) {
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          let total: number = start;
          for (let k = 0; k < axis; k++) total = combine(total, x[(o * axis + k) * inner + i]!);
          y[o * inner + i] = total;
        }
    },
    cost: ({ outer, axis, inner }) => ({ flops: outer * axis * inner, elements: outer * (axis + 1) * inner }),
    wasm: ({ outer, inner }) => ({
      passes: [{ fn: `reduce_${name}`, units: outer * ceilDivide(inner, columnsPerUnit), threadScratch: 64 * 32 }],
      constants: [columnsPerUnit],
    }),
    wgsl: target => reduceWgsl(name, target),
    example(draw: Draw) {
      const outer = draw.pick([1, 2, 7, 33]);
      const axis = draw.pick([1, 3, 16, 65, 300, 1500]);
      const inner = draw.pick([1, 1, 5, 16, 33, 64]);
      return { params: { outer, axis, inner }, lengths: { x: outer * axis * inner, y: outer * inner } };
    },
    tolerance: 2e-5,
  });
}

/**
 * Sum and maximum over one dimension of [outer, n, inner], in a fixed order; sums in blocks, so that long ones keep
 * their digits.
 */
export const reduceKernels = { sum: defineReduction('sum'), max: defineReduction('max') } as const;
