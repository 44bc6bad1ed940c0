// Counter-based random numbers and the sampling of tokens.
import { at, storeLanes } from '../wasm/simd.as';
import { Control, drawToken, uniform4 } from './draw.as';

/** Elements per unit of work of random_uniform: must agree with random.ts. */
const elementsPerUnit = 4096;

@unmanaged
class RandomUniformArgs {
  control: Control;
  y: usize;
  n: i32;
}

/** One unit is 4096 elements. */
export function random_uniform(args: RandomUniformArgs, begin: i32, end: i32, scratch: usize): void {
  const control = args.control;
  const stop = min(args.n, end * elementsPerUnit);
  for (let i = begin * elementsPerUnit; i < stop; i += 4) {
    const index = i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3));
    storeLanes(at(args.y, i), uniform4(control, 0, index), stop - i);
  }
}

@unmanaged
class SampleTokensArgs {
  logits: usize;
  bias: usize;
  temperature: usize;
  control: Control;
  done: usize;
  tokens: usize;
  next: usize;
  rows: i32;
  cols: i32;
  column: i32;
  stride: i32;
}

/** One unit is one row. */
export function sample_tokens(args: SampleTokensArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const control = args.control;
  const temperature = load<f32>(args.temperature);
  for (let row = begin; row < end; row++) {
    const logits = at(args.logits, row * cols);
    const best = drawToken(logits, args.bias, temperature, control, args.column, row * cols, cols);
    const done = at(args.done, row);
    const token = load<i32>(done) != 0 ? control.padding : best;
    store<i32>(at(args.tokens, row * args.stride + args.column), token);
    store<i32>(at(args.next, row), token);
    if (token == control.endOfSequence) store<i32>(done, 1);
  }
}
