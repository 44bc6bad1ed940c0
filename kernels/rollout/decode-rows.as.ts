// What both ways of decoding in fused launches do with a row, whose columns are a multiple of four.
import { attendOne } from '../attention/attend-one.as';
import { at } from '../wasm/simd.as';

/** The row of a sequence's part of the cache that the token of a column has; -1 where there is none. */
export function cacheRow(prefix: i32, column: i32, capacity: i32): i32 {
  return <u32>prefix < <u32>capacity && <u32>column < <u32>(capacity - prefix) ? prefix + column : -1;
}

/** x = token (0: none) + position, and the vector of `slot` unless that is negative. */
export function embedRow(x: usize, token: usize, position: usize, slot: i32, slots: usize, width: i32): void {
  const vector = at(slots, slot * width);
  for (let j: i32 = 0; j < width; j += 4) {
    let sum = v128.load(at(position, j));
    if (token != 0) sum = f32x4.add(v128.load(at(token, j)), sum);
    if (slot >= 0) sum = f32x4.add(sum, v128.load(at(vector, j)));
    v128.store(at(x, j), sum);
  }
}

/**
 * Writes a new row's keys and values to row `last` of its sequence's part of the cache, unless that is -1; out =
 * attention to all rows up to it.
 */
export function attendLast(qkv: usize, cache: usize, last: i32, width: i32, heads: i32, scores: usize, out: usize): void {
  const headDim = width / heads;
  const scale: f32 = <f32>(1 / sqrt<f64>(<f64>headDim));
  const stride = (<usize>(2 * width)) << 2;
  const row = cache + <usize>last * stride;
  for (let j: i32 = 0; last >= 0 && j < 2 * width; j += 4) v128.store(at(row, j), v128.load(at(qkv, width + j)));
  for (let d: i32 = 0; d < width; d += headDim) {
    const keys = at(cache, d);
    attendOne(at(qkv, d), keys, at(keys, width), stride, last + 1, headDim, scale, scores, at(out, d), 0);
  }
}
