// Counter-based random numbers and the sampling of tokens; four counters at a time.
import { at, log4, storeLanes } from '../wasm/simd.as';

/** Elements per unit of work of random_uniform: must agree with random.ts. */
const elementsPerUnit = 4096;

@unmanaged
class Control {
  seed: i32;
  stream: i32;
  step: i32;
  endOfSequence: i32;
  padding: i32;
}

/** One step x * 1664525 + 1013904223 of a linear congruential generator. */
@inline
function congruential(x: v128): v128 {
  return i32x4.add(i32x4.mul(x, i32x4.splat(1664525)), i32x4.splat(1013904223));
}

@inline
function xorShift16(x: v128): v128 {
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/** Uniform numbers in (0, 1) at (seed, stream, step, index), index in four lanes: the first word of pcg4d, see random.ts. */
@inline
function uniform4(seed: i32, stream: i32, step: i32, index: v128): v128 {
  let x = congruential(i32x4.splat(seed));
  let y = congruential(i32x4.splat(stream));
  let z = congruential(i32x4.splat(step));
  let w = congruential(index);
  x = i32x4.add(x, i32x4.mul(y, w));
  y = i32x4.add(y, i32x4.mul(z, x));
  z = i32x4.add(z, i32x4.mul(x, y));
  w = i32x4.add(w, i32x4.mul(y, z));
  x = xorShift16(x);
  y = xorShift16(y);
  w = xorShift16(w);
  x = i32x4.add(x, i32x4.mul(y, w));
  const bits = f32x4.convert_i32x4_s(i32x4.shr_u(x, 9));
  return f32x4.mul(f32x4.add(bits, f32x4.splat(0.5)), f32x4.splat(1.1920928955078125e-7));
}

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
    storeLanes(at(args.y, i), uniform4(control.seed, control.stream, control.step, index), stop - i);
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

/** One unit is one row: the best of each lane on its own, then the best lane; the first of equals wins. */
export function sample_tokens(args: SampleTokensArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const control = args.control;
  const temperature = load<f32>(args.temperature);
  const temperatureWide = f32x4.splat(temperature);
  for (let row = begin; row < end; row++) {
    const logits = at(args.logits, row * cols);
    let bestScore = f32x4.splat(-Infinity);
    let bestColumn = i32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const lanes = i32x4.add(i32x4.splat(j), i32x4(0, 1, 2, 3));
      let score = f32x4.add(v128.load(at(logits, j)), v128.load(at(args.bias, j)));
      if (temperature > 0) {
        const index = i32x4.add(i32x4.splat(row * cols), lanes);
        const u = uniform4(control.seed, control.stream, control.step + args.column, index);
        score = f32x4.sub(f32x4.div(score, temperatureWide), log4(f32x4.neg(log4(u))));
      }
      const better = v128.and(f32x4.gt(score, bestScore), i32x4.lt_s(lanes, i32x4.splat(cols)));
      bestScore = v128.bitselect(score, bestScore, better);
      bestColumn = v128.bitselect(lanes, bestColumn, better);
    }
    let score = f32x4.extract_lane(bestScore, 0);
    let best = i32x4.extract_lane(bestColumn, 0);
    for (let lane: i32 = 1; lane < 4; lane++) {
      bestScore = i32x4.shuffle(bestScore, bestScore, 1, 2, 3, 0);
      bestColumn = i32x4.shuffle(bestColumn, bestColumn, 1, 2, 3, 0);
      const otherScore = f32x4.extract_lane(bestScore, 0);
      const other = i32x4.extract_lane(bestColumn, 0);
      if (otherScore > score || (otherScore == score && other < best)) {
        score = otherScore;
        best = other;
      }
    }
    const done = at(args.done, row);
    const token = load<i32>(done) != 0 ? control.padding : best;
    store<i32>(at(args.tokens, row * args.stride + args.column), token);
    store<i32>(at(args.next, row), token);
    if (token == control.endOfSequence) store<i32>(done, 1);
  }
}
