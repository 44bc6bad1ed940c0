// Attention of one query, what decoding does at every step.
import { at, log1, madd, storeLanes, transposeSum } from '../wasm/simd.as';
import { expRow, rowMax, sumBlock } from '../wasm/row.as';

/** Stores what RowStatistics in reference.ts says. */
@inline
export function storeStatistics(stats: usize, visible: i32, max: f32, logSum: f32): void {
  store<f32>(stats, visible > 0 ? (isNaN(logSum) ? logSum : max) : 0);
  store<f32>(stats, visible > 0 ? logSum : 0, 4);
}

/**
 * A single query, the decode step: keys and values are read where they lie. headDim must be a multiple of 4. Stores
 * the largest q . k and the logarithm of the sum of exponentials at `stats`, if that is not 0.
 */
export function attendOne(
  q: usize,
  keys: usize,
  values: usize,
  stride: usize,
  visible: i32,
  headDim: i32,
  scale: f32,
  scores: usize,
  out: usize,
  stats: usize,
): void {
  const factor = f32x4.splat(scale);
  const last = keys + <usize>(visible - 1) * stride;
  for (let j: i32 = 0; j < visible; j += 4) {
    // keys that do not exist are read as the last one; their scores are never used
    let k0 = keys + <usize>j * stride;
    let k1 = min(k0 + stride, last);
    let k2 = min(k1 + stride, last);
    let k3 = min(k2 + stride, last);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let d: i32 = 0; d < headDim; d += 4) {
      const x = v128.load(at(q, d));
      const offset = (<usize>d) << 2;
      s0 = madd(x, v128.load(k0 + offset), s0);
      s1 = madd(x, v128.load(k1 + offset), s1);
      s2 = madd(x, v128.load(k2 + offset), s2);
      s3 = madd(x, v128.load(k3 + offset), s3);
    }
    v128.store(at(scores, j), transposeSum(s0, s1, s2, s3));
  }
  const max = rowMax(scores, visible);
  for (let j: i32 = 0; j < visible; j += 4)
    v128.store(at(scores, j), f32x4.mul(factor, f32x4.sub(v128.load(at(scores, j)), f32x4.splat(max))));
  const sum = expRow(scores, scores, 0, visible);
  const reciprocal = f32x4.splat(visible > 0 ? 1 / sum : 0);
  for (let d: i32 = 0; d < headDim; d += 8) {
    let value = at(values, d);
    let total0 = f32x4.splat(0);
    let total1 = f32x4.splat(0);
    for (let j: i32 = 0; j < visible; ) {
      const stop = min(visible, j + sumBlock);
      // two sums each, over even and odd keys: additions that wait for each other are what takes the time here
      let a0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      let b0 = f32x4.splat(0);
      let b1 = f32x4.splat(0);
      for (; j <= stop - 2; j += 2) {
        const p = v128.load32_splat(at(scores, j));
        const r = v128.load32_splat(at(scores, j), 4);
        a0 = madd(p, v128.load(value), a0);
        a1 = madd(p, v128.load(value, 16), a1);
        value += stride;
        b0 = madd(r, v128.load(value), b0);
        b1 = madd(r, v128.load(value, 16), b1);
        value += stride;
      }
      if (j < stop) {
        const p = v128.load32_splat(at(scores, j++));
        a0 = madd(p, v128.load(value), a0);
        a1 = madd(p, v128.load(value, 16), a1);
        value += stride;
      }
      total0 = f32x4.add(total0, f32x4.add(a0, b0));
      total1 = f32x4.add(total1, f32x4.add(a1, b1));
    }
    storeLanes(at(out, d), f32x4.mul(reciprocal, total0), headDim - d);
    storeLanes(at(out, d) + 16, f32x4.mul(reciprocal, total1), headDim - d - 4);
  }
  if (stats) storeStatistics(stats, visible, max, log1(sum));
}
