/** What softmax, the losses and attention share: one row of logits, in f64. */
import type { NumberArray } from '../dtype.js';
import type { Cost, Draw, Example } from '../kernel.js';

/**
 * What the kernels over the rows of [rows, cols] share: a unit of work is a row.
 * @param cost of an element
 */
export const rowKernel = (name: string, cost: Cost) =>
  ({
    name,
    params: { rows: 'u32', cols: 'u32' },
    cost: ({ rows, cols }: RowsAndCols) => ({ flops: cost.flops * rows * cols, elements: cost.elements * rows * cols }),
    wasm: ({ rows }: RowsAndCols) => ({ passes: [{ fn: name, units: rows }] }),
  }) as const;

/** Sizes of a matrix [rows, cols]. */
export interface RowsAndCols {
  readonly rows: number;
  readonly cols: number;
}

/**
 * Logarithm of the sum of exponentials of `count` numbers from `start` on. The maximum is taken out first, so nothing
 * overflows. exp(x - this) is the softmax of these numbers.
 */
export function logSumExp(x: ArrayLike<number>, start = 0, count = x.length - start): number {
  let maximum = -Infinity;
  for (let j = start; j < start + count; j++) maximum = Math.max(maximum, x[j]!);
  let sum = 0;
  for (let j = start; j < start + count; j++) sum += Math.exp(x[j]! - maximum);
  return maximum + Math.log(sum);
}

/** Log-softmax of row `row` of z[rows, cols]. */
export function logSoftmaxRow(z: NumberArray, row: number, cols: number): Float64Array {
  const lse = logSumExp(z, row * cols, cols);
  return Float64Array.from(z.subarray(row * cols, (row + 1) * cols), value => value - lse);
}

/** A call for a test: few and many rows, columns that are and are not a multiple of four. */
export function rowExample<B extends string>(
  draw: Draw,
  buffers: (rows: number, size: number, cols: number) => Pick<Example<B, never>, 'lengths' | 'fills'>,
): Example<B, keyof RowsAndCols> {
  const rows = draw.pick([1, 2, 9, 33]);
  const cols = draw.pick([1, 3, 16, 65, 128]);
  return { params: { rows, cols }, ...buffers(rows, rows * cols, cols) };
}
