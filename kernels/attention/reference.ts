/** Attention of one query, in f64: what the references of attention and of decoding are made of. */
import type { NumberArray } from '../dtype.js';
import { logSumAbove } from '../softmax/row.js';

/** Positions of queries are below this, so that none runs over. */
export const mostPosition = 2 ** 30;

/** Product of two rows of `length` numbers, from `atA` and `atB` on. */
export function dot(a: NumberArray, atA: number, b: NumberArray, atB: number, length: number): number {
  let sum = 0;
  for (let d = 0; d < length; d++) sum += a[atA + d]! * b[atB + d]!;
  return sum;
}

/** The keys and values of one head that a query sees: value `j` lies `value` numbers behind key `j`. */
export interface KeysAndValues {
  readonly kv: NumberArray;
  readonly key: (j: number) => number;
  readonly value: number;
  readonly visible: number;
}

/**
 * Of a query: the largest q . k, and the logarithm of the sum of exp(scale * (q . k - largest)). Apart, since their sum
 * would lose the logarithm's digits where scores are large, and the probabilities with them. 0, 0 where nothing is
 * visible; NaN, NaN where there is no distribution.
 */
export type RowStatistics = readonly [largest: number, logSum: number];

/**
 * out = softmax(scale * q k^T) v for the query q[atQ..], `headDim` numbers; zeros where nothing is visible.
 * @returns what `RowStatistics` says
 */
export function attendRow(
  q: NumberArray,
  atQ: number,
  { kv, key, value, visible }: KeysAndValues,
  scale: number,
  out: NumberArray,
  atOut: number,
  headDim: number,
): RowStatistics {
  const scores: number[] = [];
  for (let j = 0; j < visible; j++) scores.push(dot(q, atQ, kv, key(j), headDim));
  // what an f32 can hold: the sum is taken above what is stored
  const largest = visible > 0 ? Math.fround(scores.reduce((a, b) => Math.max(a, b))) : 0;
  const logSum = visible > 0 ? logSumAbove(scores, largest, scale) : 0;
  for (let d = 0; d < headDim; d++) {
    let sum = 0;
    for (let j = 0; j < visible; j++)
      sum += Math.exp(scale * (scores[j]! - largest) - logSum) * kv[key(j) + value + d]!;
    out[atOut + d] = sum;
  }
  return [Number.isNaN(logSum) ? NaN : largest, logSum];
}
