/** Attention of one query, in f64: what the references of attention and of decoding are made of. */
import type { NumberArray } from '../dtype.js';
import { maximumAndLogSum } from '../softmax/row.js';

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
 * out = softmax(scale * q k^T) v for the query q[atQ..], `headDim` numbers; zeros where nothing is visible.
 * @returns the log-sum-exp of the scores, 0 where nothing is visible
 */
export function attendRow(
  q: NumberArray,
  atQ: number,
  { kv, key, value, visible }: KeysAndValues,
  scale: number,
  out: NumberArray,
  atOut: number,
  headDim: number,
): number {
  const scores: number[] = [];
  for (let j = 0; j < visible; j++) scores.push(scale * dot(q, atQ, kv, key(j), headDim));
  const [maximum, logSum] = visible > 0 ? maximumAndLogSum(scores) : [0, 0];
  for (let d = 0; d < headDim; d++) {
    let sum = 0;
    for (let j = 0; j < visible; j++) sum += Math.exp(scores[j]! - maximum - logSum) * kv[key(j) + value + d]!;
    out[atOut + d] = sum;
  }
  return maximum + logSum;
}
