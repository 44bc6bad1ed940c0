// The hash behind random numbers, four counters at a time, and the drawing of a token: for all kernels that sample.
import { at, log4 } from '../wasm/simd.as';

@unmanaged
export class Control {
  seed: i32;
  stream: i32;
  step: i32;
  endOfSequence: i32;
  padding: i32;
  /** Where a kernel takes it from here. */
  column: i32;
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

/**
 * Uniform numbers in (0, 1) at (seed, stream, step, column, index), index in four lanes: see `randomBits` in random.ts.
 */
@inline
export function uniform4(control: Control, column: i32, index: v128): v128 {
  let x = i32x4.splat(control.seed);
  let y = i32x4.splat(control.stream);
  let z = i32x4.splat(control.step);
  let w = i32x4.splat(column);
  for (let round: i32 = 0; round < 2; round++) {
    if (round == 1) y = i32x4.add(y, index);
    x = congruential(x);
    y = congruential(y);
    z = congruential(z);
    w = congruential(w);
    x = i32x4.add(x, i32x4.mul(y, w));
    y = i32x4.add(y, i32x4.mul(z, x));
    z = i32x4.add(z, i32x4.mul(x, y));
    w = i32x4.add(w, i32x4.mul(y, z));
    x = xorShift16(x);
    y = xorShift16(y);
    z = xorShift16(z);
    w = xorShift16(w);
    x = i32x4.add(x, i32x4.mul(y, w));
    y = i32x4.add(y, i32x4.mul(z, x));
    z = i32x4.add(z, i32x4.mul(x, y));
    w = i32x4.add(w, i32x4.mul(y, z));
  }
  const bits = f32x4.convert_i32x4_s(i32x4.shr_u(x, 9));
  return f32x4.mul(f32x4.add(bits, f32x4.splat(0.5)), f32x4.splat(1.1920928955078125e-7));
}

/**
 * A token from logits + bias at a temperature by the Gumbel-max trick, with noise at (column, first + token): the best
 * of each lane on its own, then the best lane; the first of equals wins.
 */
export function drawToken(
  logits: usize,
  bias: usize,
  temperature: f32,
  control: Control,
  column: i32,
  first: i32,
  cols: i32,
): i32 {
  const temperatureWide = f32x4.splat(temperature);
  let bestScore = f32x4.splat(-Infinity);
  let bestColumn = i32x4.splat(0);
  for (let j: i32 = 0; j < cols; j += 4) {
    const lanes = i32x4.add(i32x4.splat(j), i32x4(0, 1, 2, 3));
    let score = f32x4.add(v128.load(at(logits, j)), v128.load(at(bias, j)));
    if (temperature > 0) {
      const u = uniform4(control, column, i32x4.add(i32x4.splat(first), lanes));
      score = f32x4.sub(score, f32x4.mul(temperatureWide, log4(f32x4.neg(log4(u)))));
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
  return best;
}
