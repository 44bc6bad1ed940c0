// Reductions over one row of numbers that lie side by side.
import { at, expDown4, laneMask, maxLanes, storeLanes, sumLanes } from './simd.as';

/**
 * Elements whose sum is formed before it joins that of the elements before them: a long sum loses digits with its
 * length, and rows of a large vocabulary are long. Shorter rows are one block.
 */
export const sumBlock = 4096;

/** Sum of n elements, in four interleaved partial sums per block. */
export function rowSum(x: usize, n: i32): f32 {
  let total: f32 = 0;
  for (let from: i32 = 0; from < n; from += sumBlock) {
    const stop = min(n, from + sumBlock);
    let sum = f32x4.splat(0);
    let j = from;
    for (; j <= stop - 4; j += 4) sum = f32x4.add(sum, v128.load(at(x, j)));
    if (j < stop) sum = f32x4.add(sum, v128.and(v128.load(at(x, j)), laneMask(stop - j)));
    total += sumLanes(sum);
  }
  return total;
}

/** Largest of n elements, -infinity if there is none; NaN is passed over. */
export function rowMax(x: usize, n: i32): f32 {
  const none = f32x4.splat(-Infinity);
  let max = none;
  let j: i32 = 0;
  for (; j <= n - 4; j += 4) max = f32x4.pmax(max, v128.load(at(x, j)));
  if (j < n) max = f32x4.pmax(max, v128.bitselect(v128.load(at(x, j)), none, laneMask(n - j)));
  return maxLanes(max);
}

/** Sum of exp(x - max) of n elements, max being no less than any of them; if it stores, y = exp(x - max). */
@inline
function sumExp(stores: bool, y: usize, x: usize, max: f32, n: i32): f32 {
  const largest = f32x4.splat(max);
  let total: f32 = 0;
  for (let from: i32 = 0; from < n; from += sumBlock) {
    const stop = min(n, from + sumBlock);
    let sum = f32x4.splat(0);
    let j = from;
    for (; j <= stop - 4; j += 4) {
      const e = expDown4(f32x4.sub(v128.load(at(x, j)), largest));
      if (stores) v128.store(at(y, j), e);
      sum = f32x4.add(sum, e);
    }
    if (j < stop) {
      const e = expDown4(f32x4.sub(v128.load(at(x, j)), largest));
      if (stores) storeLanes(at(y, j), e, stop - j);
      sum = f32x4.add(sum, v128.and(e, laneMask(stop - j)));
    }
    total += sumLanes(sum);
  }
  return total;
}

/** y = exp(x - max) for n elements; returns the sum of y. */
export function expRow(y: usize, x: usize, max: f32, n: i32): f32 {
  return sumExp(true, y, x, max, n);
}

/** Sum of exp(x - max) of n elements. */
export function expSum(x: usize, max: f32, n: i32): f32 {
  return sumExp(false, 0, x, max, n);
}

/** Position of the first of n elements that equals `value`; 0 if there is none. */
export function indexOf(x: usize, value: f32, n: i32): i32 {
  const wanted = f32x4.splat(value);
  for (let j: i32 = 0; j < n; j += 4) {
    const found = i32x4.bitmask(v128.and(f32x4.eq(v128.load(at(x, j)), wanted), laneMask(n - j)));
    if (found) return j + ctz(found);
  }
  return 0;
}
