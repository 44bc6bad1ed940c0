// Cross-entropy with one token per row; one unit is one row.
import { at, log1, storeLanes } from '../wasm/simd.as';
import { expRow, rowMax } from '../wasm/row.as';

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
    const max = rowMax(z, cols);
    const sum = expRow(grad, z, max, cols);
    const p: f32 = counts ? load<f32>(at(grad, token)) * (<f32>1 / sum) : 0;
    const scale = f32x4.splat(<f32>1 / sum);
    const weightWide = f32x4.splat(weight);
    for (let j: i32 = 0; j < cols; j += 4)
      storeLanes(at(grad, j), f32x4.mul(weightWide, f32x4.mul(scale, v128.load(at(grad, j)))), cols - j);
    if (counts) store<f32>(at(grad, token), weight * (p - 1));
    store<f32>(at(args.loss, row), counts ? -weight * (load<f32>(at(z, token)) - max - log1(sum)) : 0);
  }
}
