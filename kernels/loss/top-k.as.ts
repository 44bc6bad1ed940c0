// The k likeliest tokens and the rest as one; one unit is one row.
import { at, exp4, log1, storeLanes } from '../wasm/simd.as';
import { expSum, indexOf, rowMax } from '../wasm/row.as';

@unmanaged
class TopKArgs {
  logits: usize;
  indices: usize;
  rows: i32;
  cols: i32;
  k: i32;
}

/** A row is copied, and what has been taken is struck out of the copy. */
export function top_k(args: TopKArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const k = args.k;
  for (let row = begin; row < end; row++) {
    memory.copy(scratch, at(args.logits, row * cols), <usize>cols << 2);
    for (let r: i32 = 0; r < k; r++) {
      const index = indexOf(scratch, rowMax(scratch, cols), cols);
      store<i32>(at(args.indices, row * k + r), index);
      store<f32>(at(scratch, index), -Infinity);
    }
  }
}

@unmanaged
class TailBucketArgs {
  logits: usize;
  indices: usize;
  pooled: usize;
  rows: i32;
  cols: i32;
  k: i32;
}

export function tail_bucket(args: TailBucketArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const k = args.k;
  for (let row = begin; row < end; row++) {
    const z = at(args.logits, row * cols);
    const out = at(args.pooled, row * (k + 1));
    memory.copy(scratch, z, <usize>cols << 2);
    for (let r: i32 = 0; r < k; r++) {
      const index = load<i32>(at(args.indices, row * k + r));
      store<f32>(at(out, r), load<f32>(at(z, index)));
      store<f32>(at(scratch, index), -Infinity);
    }
    const max = rowMax(scratch, cols);
    store<f32>(at(out, k), max + log1(expSum(scratch, max, cols))); // what is struck out adds 0
  }
}

@unmanaged
class TailBucketGradArgs {
  logits: usize;
  indices: usize;
  pooled: usize;
  dpooled: usize;
  dlogits: usize;
  rows: i32;
  cols: i32;
  k: i32;
}

/** As if all were tail; then what is not is put right. */
export function tail_bucket_grad(args: TailBucketGradArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const k = args.k;
  for (let row = begin; row < end; row++) {
    const z = at(args.logits, row * cols);
    const out = at(args.dlogits, row * cols);
    const slopes = at(args.dpooled, row * (k + 1));
    const tail = f32x4.splat(load<f32>(at(args.pooled, row * (k + 1) + k)));
    const slope = f32x4.splat(load<f32>(at(slopes, k)));
    for (let j: i32 = 0; j < cols; j += 4)
      storeLanes(at(out, j), f32x4.mul(slope, exp4(f32x4.sub(v128.load(at(z, j)), tail))), cols - j);
    for (let r: i32 = 0; r < k; r++)
      store<f32>(at(out, load<i32>(at(args.indices, row * k + r))), load<f32>(at(slopes, r)));
  }
}
