// Reductions over one row of numbers that lie side by side, and over columns.
import { at, expDown4, laneMask, madd, maxLanes, storeLanes, sumLanes } from './simd.as';

/**
 * Elements that are summed one after another, in four lanes. A longer sum is that of its halves: adding one by one
 * loses digits with the number of terms, adding by halves with its logarithm.
 */
export const sumBlock = 512;

/** Elements of the first half of n, whole blocks. */
export function halfOf(n: i32): i32 {
  return (n / 2 + sumBlock - 1) & ~(sumBlock - 1);
}

/** Sum of n elements. */
export function rowSum(x: usize, n: i32): f32 {
  return sumAbove(x, 0, n);
}

/** Sum of x - level of n elements. */
function sumAbove(x: usize, level: f32, n: i32): f32 {
  if (n > sumBlock) return sumAbove(x, level, halfOf(n)) + sumAbove(at(x, halfOf(n)), level, n - halfOf(n));
  const wide = f32x4.splat(level);
  let sum = f32x4.splat(0);
  let j: i32 = 0;
  for (; j <= n - 4; j += 4) sum = f32x4.add(sum, f32x4.sub(v128.load(at(x, j)), wide));
  if (j < n) sum = f32x4.add(sum, v128.and(f32x4.sub(v128.load(at(x, j)), wide), laneMask(n - j)));
  return sumLanes(sum);
}

/**
 * Mean of n elements. The sum's own rounding may exceed their differences: what it leaves is added in a second look.
 */
export function rowMean(x: usize, n: i32): f32 {
  const mean = sumAbove(x, 0, n) / <f32>n;
  return mean + sumAbove(x, mean, n) / <f32>n;
}

/** Sum of (x - mean)^2 of n elements. */
export function rowSquares(x: usize, mean: f32, n: i32): f32 {
  if (n > sumBlock) return rowSquares(x, mean, halfOf(n)) + rowSquares(at(x, halfOf(n)), mean, n - halfOf(n));
  const wide = f32x4.splat(mean);
  let squares = f32x4.splat(0);
  let j: i32 = 0;
  for (; j <= n - 4; j += 4) {
    const centred = f32x4.sub(v128.load(at(x, j)), wide);
    squares = madd(centred, centred, squares);
  }
  if (j < n) {
    const centred = v128.and(f32x4.sub(v128.load(at(x, j)), wide), laneMask(n - j));
    squares = madd(centred, centred, squares);
  }
  return sumLanes(squares);
}

/**
 * Sums of x - level, or of its squares, of four rows that follow each other: a lane for each, with the bits of one row
 * alone. n is a multiple of four, one block at most.
 */
@inline
export function sumFourRows(squares: bool, x: usize, level: v128, n: i32): v128 {
  const level0 = i32x4.shuffle(level, level, 0, 0, 0, 0);
  const level1 = i32x4.shuffle(level, level, 1, 1, 1, 1);
  const level2 = i32x4.shuffle(level, level, 2, 2, 2, 2);
  const level3 = i32x4.shuffle(level, level, 3, 3, 3, 3);
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const next = <usize>n << 2;
  for (let j: i32 = 0; j < n; j += 4) {
    const from = at(x, j);
    const x0 = f32x4.sub(v128.load(from), level0);
    const x1 = f32x4.sub(v128.load(from + next), level1);
    const x2 = f32x4.sub(v128.load(from + 2 * next), level2);
    const x3 = f32x4.sub(v128.load(from + 3 * next), level3);
    sum0 = squares ? madd(x0, x0, sum0) : f32x4.add(sum0, x0);
    sum1 = squares ? madd(x1, x1, sum1) : f32x4.add(sum1, x1);
    sum2 = squares ? madd(x2, x2, sum2) : f32x4.add(sum2, x2);
    sum3 = squares ? madd(x3, x3, sum3) : f32x4.add(sum3, x3);
  }
  // lanes as `sumLanes` adds them: the first and the third, the second and the fourth, these two
  const pairs01 = f32x4.add(i32x4.shuffle(sum0, sum1, 0, 1, 4, 5), i32x4.shuffle(sum0, sum1, 2, 3, 6, 7));
  const pairs23 = f32x4.add(i32x4.shuffle(sum2, sum3, 0, 1, 4, 5), i32x4.shuffle(sum2, sum3, 2, 3, 6, 7));
  return f32x4.add(i32x4.shuffle(pairs01, pairs23, 0, 2, 4, 6), i32x4.shuffle(pairs01, pairs23, 1, 3, 5, 7));
}

/**
 * Largest of n elements, -infinity if there is none; NaN if one is NaN. `pmax` is one instruction, `f32x4.max` eight
 * that wait for each other; what it does with NaN is made up for beside it.
 */
export function rowMax(x: usize, n: i32): f32 {
  const least = f32x4.splat(-Infinity);
  let max0 = least;
  let max1 = least;
  let max2 = least;
  let max3 = least;
  let none = i32x4.splat(0);
  let j: i32 = 0;
  for (; j <= n - 16; j += 16) {
    const x0 = v128.load(at(x, j));
    const x1 = v128.load(at(x, j), 16);
    const x2 = v128.load(at(x, j), 32);
    const x3 = v128.load(at(x, j), 48);
    none = v128.or(none, v128.or(v128.or(isNone(x0), isNone(x1)), v128.or(isNone(x2), isNone(x3))));
    max0 = f32x4.pmax(max0, x0);
    max1 = f32x4.pmax(max1, x1);
    max2 = f32x4.pmax(max2, x2);
    max3 = f32x4.pmax(max3, x3);
  }
  for (; j < n; j += 4) {
    const v = v128.bitselect(v128.load(at(x, j)), least, laneMask(n - j));
    none = v128.or(none, isNone(v));
    max0 = f32x4.pmax(max0, v);
  }
  if (v128.any_true(none)) return NaN;
  return maxLanes(f32x4.pmax(f32x4.pmax(max0, max1), f32x4.pmax(max2, max3)));
}

@inline
function isNone(x: v128): v128 {
  return f32x4.ne(x, x);
}

/** Sum of exp(x - max) of a block, max being no less than any of its elements; if it stores, y = exp(x - max). */
@inline
function sumExp(stores: bool, y: usize, x: usize, max: f32, n: i32): f32 {
  const largest = f32x4.splat(max);
  let sum = f32x4.splat(0);
  let j: i32 = 0;
  for (; j <= n - 16; j += 16) {
    const e0 = expDown4(f32x4.sub(v128.load(at(x, j)), largest));
    const e1 = expDown4(f32x4.sub(v128.load(at(x, j), 16), largest));
    const e2 = expDown4(f32x4.sub(v128.load(at(x, j), 32), largest));
    const e3 = expDown4(f32x4.sub(v128.load(at(x, j), 48), largest));
    if (stores) {
      v128.store(at(y, j), e0);
      v128.store(at(y, j), e1, 16);
      v128.store(at(y, j), e2, 32);
      v128.store(at(y, j), e3, 48);
    }
    sum = f32x4.add(f32x4.add(f32x4.add(f32x4.add(sum, e0), e1), e2), e3);
  }
  for (; j <= n - 4; j += 4) {
    const e = expDown4(f32x4.sub(v128.load(at(x, j)), largest));
    if (stores) v128.store(at(y, j), e);
    sum = f32x4.add(sum, e);
  }
  if (j < n) {
    const e = expDown4(f32x4.sub(v128.load(at(x, j)), largest));
    if (stores) storeLanes(at(y, j), e, n - j);
    sum = f32x4.add(sum, v128.and(e, laneMask(n - j)));
  }
  return sumLanes(sum);
}

/** y = exp(x - max) for n elements; returns the sum of y. */
export function expRow(y: usize, x: usize, max: f32, n: i32): f32 {
  const half = halfOf(n);
  if (n > sumBlock) return expRow(y, x, max, half) + expRow(at(y, half), at(x, half), max, n - half);
  return sumExp(true, y, x, max, n);
}

/** Sum of exp(x - max) of n elements. */
export function expSum(x: usize, max: f32, n: i32): f32 {
  if (n > sumBlock) return expSum(x, max, halfOf(n)) + expSum(at(x, halfOf(n)), max, n - halfOf(n));
  return sumExp(false, 0, x, max, n);
}

/** y = x, n elements. */
@inline
export function copyRow(y: usize, x: usize, n: i32): void {
  let j: i32 = 0;
  for (; j <= n - 4; j += 4) v128.store(at(y, j), v128.load(at(x, j)));
  if (j < n) storeLanes(at(y, j), v128.load(at(x, j)), n - j);
}

/** x *= factor, n elements. */
@inline
export function scaleRow(x: usize, factor: v128, n: i32): void {
  let j: i32 = 0;
  for (; j <= n - 4; j += 4) v128.store(at(x, j), f32x4.mul(v128.load(at(x, j)), factor));
  if (j < n) storeLanes(at(x, j), f32x4.mul(v128.load(at(x, j)), factor), n - j);
}

/** Sets n elements to zero. */
export function clearRow(x: usize, n: i32): void {
  memory.fill(x, 0, (<usize>n) << 2);
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

/** The larger one, NaN if one is NaN; or the sum. */
@inline
function combine(max: bool, total: v128, x: v128): v128 {
  return max ? f32x4.max(total, x) : f32x4.add(total, x);
}

/** Rows that are summed one after another, see `sumBlock`. */
const rowBlock = 128;
/** Bytes of 16 columns. */
const columnBytes: usize = 64;

/**
 * Sums or maxima of n rows of 16 columns, `stride` bytes apart: more than a block by halves. Each level of them needs
 * 64 bytes behind `y`.
 */
export function reduceColumns(max: bool, x: usize, stride: usize, n: i32, y: usize): void {
  if (n <= rowBlock) {
    if (max) reduceBlock(true, x, stride, n, y);
    else reduceBlock(false, x, stride, n, y);
    return;
  }
  const half = (n / 2 + rowBlock - 1) & ~(rowBlock - 1);
  reduceColumns(max, x, stride, half, y);
  reduceColumns(max, x + <usize>half * stride, stride, n - half, y + columnBytes);
  for (let end = y + columnBytes; y < end; y += 16)
    v128.store(y, combine(max, v128.load(y), v128.load(y + columnBytes)));
}

@inline
function reduceBlock(max: bool, x: usize, stride: usize, n: i32, y: usize): void {
  let t0 = f32x4.splat(max ? -Infinity : 0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (let i: i32 = 0; i < n; i++, x += stride) {
    t0 = combine(max, t0, v128.load(x));
    t1 = combine(max, t1, v128.load(x, 16));
    t2 = combine(max, t2, v128.load(x, 32));
    t3 = combine(max, t3, v128.load(x, 48));
  }
  v128.store(y, t0);
  v128.store(y, t1, 16);
  v128.store(y, t2, 32);
  v128.store(y, t3, 48);
}
