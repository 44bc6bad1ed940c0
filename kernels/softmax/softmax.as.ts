// Softmax, log-softmax and their gradients; one unit is one row.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-rows.json, beside other work):
// softmax of 2048 x 512 in 1.9 ms.
import { at, exp4, laneMask, log1, nmadd, storeLanes, sumLanes } from '../wasm/simd.as';
import { expRow, expSum, rowMax, rowSum, scaleRow, sumBlock } from '../wasm/row.as';

@unmanaged
class SoftmaxArgs {
  x: usize;
  y: usize;
  rows: i32;
  cols: i32;
}

/** y = exp(x - max) / sum */
export function softmax(args: SoftmaxArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const x = at(args.x, row * cols);
    const y = at(args.y, row * cols);
    const sum = expRow(y, x, rowMax(x, cols), cols);
    scaleRow(y, f32x4.splat(1 / sum), cols);
  }
}

/** y = x - max - log sum */
export function log_softmax(args: SoftmaxArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const x = at(args.x, row * cols);
    const y = at(args.y, row * cols);
    const max = rowMax(x, cols);
    const largest = f32x4.splat(max);
    const logSum = f32x4.splat(log1(expSum(x, max, cols)));
    for (let j: i32 = 0; j < cols; j += 4) {
      const v = f32x4.sub(f32x4.sub(v128.load(at(x, j)), largest), logSum);
      storeLanes(at(y, j), v, cols - j);
    }
  }
}

@unmanaged
class SoftmaxGradArgs {
  y: usize;
  dy: usize;
  dx: usize;
  rows: i32;
  cols: i32;
}

/** dx = y (dy - sum(dy y)) */
export function softmax_grad(args: SoftmaxGradArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const y = at(args.y, row * cols);
    const dy = at(args.dy, row * cols);
    const dx = at(args.dx, row * cols);
    let total: f64 = 0;
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let part = f32x4.splat(0);
      for (let j = from; j < stop; j += 4) {
        const product = f32x4.mul(v128.load(at(dy, j)), v128.load(at(y, j)));
        part = f32x4.add(part, v128.and(product, laneMask(stop - j)));
      }
      total += <f64>sumLanes(part);
    }
    const sum = f32x4.splat(<f32>total);
    for (let j: i32 = 0; j < cols; j += 4) {
      const v = f32x4.mul(v128.load(at(y, j)), f32x4.sub(v128.load(at(dy, j)), sum));
      storeLanes(at(dx, j), v, cols - j);
    }
  }
}

/** dx = dy - exp(y) sum(dy) */
export function log_softmax_grad(args: SoftmaxGradArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const y = at(args.y, row * cols);
    const dy = at(args.dy, row * cols);
    const dx = at(args.dx, row * cols);
    const sum = f32x4.splat(rowSum(dy, cols));
    for (let j: i32 = 0; j < cols; j += 4)
      storeLanes(at(dx, j), nmadd(exp4(v128.load(at(y, j))), sum, v128.load(at(dy, j))), cols - j);
  }
}
