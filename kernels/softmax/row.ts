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

/** The largest number, and the logarithm of the sum of exponentials of what the others are above it. */
export function maximumAndLogSum(x: ArrayLike<number>): [maximum: number, logSum: number] {
  let maximum = -Infinity;
  for (let j = 0; j < x.length; j++) maximum = Math.max(maximum, x[j]!);
  return [maximum, logSumAbove(x, maximum)];
}

/** Logarithm of the sum of exp(scale * (x - level)). */
export function logSumAbove(x: ArrayLike<number>, level: number, scale = 1): number {
  let sum = 0;
  for (let j = 0; j < x.length; j++) sum += Math.exp(scale * (x[j]! - level));
  return Math.log(sum);
}

/** Log-softmax of row `row` of z[rows, cols]: what is taken off one after the other would lose digits as a sum. */
export function logSoftmaxRow(z: NumberArray, row: number, cols: number): Float64Array {
  const x = z.subarray(row * cols, (row + 1) * cols);
  const [maximum, logSum] = maximumAndLogSum(x);
  return Float64Array.from(x, value => value - maximum - logSum);
}

/** p * d, where 0 log 0 = 0. */
export const times = (p: number, d: number): number => (p === 0 ? 0 : p * d);

/** A call for a test: few and many rows, columns that are and are not a multiple of four. */
export function rowExample<B extends string>(
  draw: Draw,
  buffers: (rows: number, size: number, cols: number) => Pick<Example<B, never>, 'lengths' | 'fills'>,
): Example<B, keyof RowsAndCols> {
  const rows = draw.pick([1, 2, 9, 33]);
  const cols = draw.pick([1, 3, 16, 65, 128]);
  return { params: { rows, cols }, ...buffers(rows, rows * cols, cols) };
}
