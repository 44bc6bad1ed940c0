// Cross-entropy; one unit is one row. A row of weight 0 counts nothing, whatever its logits.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-rows.json, beside other work), 1152
// rows of 128: 69 times as fast as the reference; with tokens 97 times.
import { at, laneMask, log1, storeLanes, sumLanes, times4 } from '../wasm/simd.as';
import { clearRow, expRow, rowMax, rowSum, sumBlock } from '../wasm/row.as';

@unmanaged
class CrossEntropyArgs {
  logits: usize;
  target: usize;
  weight: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
}

/** Stores `count` slopes where e^(z - max) lay, and returns t log p of four. */
@inline
function entropy4(
  z: usize,
  target: usize,
  grad: usize,
  count: i32,
  largest: v128,
  logSum: v128,
  scale: v128,
  weight: v128,
): v128 {
  const t = v128.load(target);
  const slope = f32x4.sub(f32x4.mul(scale, v128.load(grad)), t);
  storeLanes(grad, f32x4.mul(weight, slope), count);
  return times4(t, f32x4.sub(f32x4.sub(v128.load(z), largest), logSum));
}

/** loss = -w sum t log p; grad = w (sum(t) p - t) */
export function cross_entropy(args: CrossEntropyArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const z = at(args.logits, row * cols);
    const target = at(args.target, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    if (weight == 0) {
      clearRow(grad, cols);
      store<f32>(at(args.loss, row), 0);
      continue;
    }
    const max = rowMax(z, cols);
    const sum = expRow(grad, z, max, cols);
    const mass = rowSum(target, cols);
    const largest = f32x4.splat(max);
    const logSum = f32x4.splat(log1(sum));
    const weightWide = f32x4.splat(weight);
    const scale = f32x4.splat(mass / sum);
    let total: f64 = 0;
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let part = f32x4.splat(0);
      let j = from;
      for (; j <= stop - 4; j += 4)
        part = f32x4.add(part, entropy4(at(z, j), at(target, j), at(grad, j), 4, largest, logSum, scale, weightWide));
      if (j < stop) {
        const rest = entropy4(at(z, j), at(target, j), at(grad, j), stop - j, largest, logSum, scale, weightWide);
        part = f32x4.add(part, v128.and(rest, laneMask(stop - j)));
      }
      total += <f64>sumLanes(part);
    }
    store<f32>(at(args.loss, row), -weight * <f32>total);
  }
}

@unmanaged
class CrossEntropyTokensArgs {
  logits: usize;
  tokens: usize;
  weight: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
}

/** loss = -w log p_token; grad = w (p - [k = token]) */
export function cross_entropy_tokens(args: CrossEntropyTokensArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const z = at(args.logits, row * cols);
    const grad = at(args.grad, row * cols);
    const token = load<i32>(at(args.tokens, row));
    const counts = <u32>token < <u32>cols;
    const weight: f32 = counts ? load<f32>(at(args.weight, row)) : 0;
    if (weight == 0) {
      clearRow(grad, cols);
      store<f32>(at(args.loss, row), 0);
      continue;
    }
    const max = rowMax(z, cols);
    const sum = expRow(grad, z, max, cols);
    const p = load<f32>(at(grad, token)) * (<f32>1 / sum);
    const scale = f32x4.splat(<f32>1 / sum);
    const weightWide = f32x4.splat(weight);
    for (let j: i32 = 0; j < cols; j += 4)
      storeLanes(at(grad, j), f32x4.mul(weightWide, f32x4.mul(scale, v128.load(at(grad, j)))), cols - j);
    store<f32>(at(grad, token), weight * (p - 1));
    store<f32>(at(args.loss, row), -weight * (load<f32>(at(z, token)) - max - log1(sum)));
  }
}
