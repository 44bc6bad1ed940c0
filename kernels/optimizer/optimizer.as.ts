// AdamW with clipping by global norm.
//
// Measured on one thread, 2^20 parameters: the update 8.8 times as fast as the reference (`node
// dist/bench/reference.js`, bench/results/reference-rows.json, beside other work); the sum of squares 0.15 ms, the
// reference 0.80 (reference-wasm.json).
import { sumBlock } from '../wasm/row.as';
import { at, laneMask, madd, storeLanes, sumLanes } from '../wasm/simd.as';
import { HyperParameters, OptimizerState } from './state.as';

/** Elements per unit of work of adamw: must agree with optimizer.ts. */
const elementsPerUnit = 4096;

@unmanaged
class SumSquaresArgs {
  x: usize;
  partial: usize;
  n: i32;
  chunk: i32;
}

/** One unit is one chunk, in blocks; two sums run side by side to hide the latency of the additions. */
export function sum_squares(args: SumSquaresArgs, begin: i32, end: i32, scratch: usize): void {
  const x = args.x;
  for (let unit = begin; unit < end; unit++) {
    const last = min(args.n, (unit + 1) * args.chunk);
    let total: f64 = 0;
    for (let i = unit * args.chunk; i < last; ) {
      const stop = min(last, i + 2 * sumBlock);
      let even = f32x4.splat(0);
      let odd = f32x4.splat(0);
      for (; i <= stop - 8; i += 8) {
        const v = v128.load(at(x, i));
        const w = v128.load(at(x, i), 16);
        even = madd(v, v, even);
        odd = madd(w, w, odd);
      }
      for (; i < stop; i += 4) {
        const v = v128.and(v128.load(at(x, i)), laneMask(stop - i));
        even = madd(v, v, even);
      }
      i = stop;
      total += <f64>sumLanes(f32x4.add(even, odd));
    }
    store<f32>(at(args.partial, unit), <f32>total);
  }
}

@unmanaged
class OptimizerPrepareArgs {
  partial: usize;
  hyper: HyperParameters;
  state: OptimizerState;
  count: i32;
}

/** A few hundred numbers: summed by one thread, in f64 so that the sum itself cannot overflow. */
export function optimizer_prepare(args: OptimizerPrepareArgs, begin: i32, end: i32, scratch: usize): void {
  const hyper = args.hyper;
  const state = args.state;
  let sum: f64 = 0;
  for (let i: i32 = 0; i < args.count; i++) sum += <f64>load<f32>(at(args.partial, i));
  const scale = state.lossScale;
  const norm = sqrt<f64>(sum) / <f64>scale;
  const maxNorm = <f64>hyper.maxNorm;
  const finite = norm - norm == 0;
  if (finite) {
    state.step = state.step + 1;
    state.finite = 1;
    state.clip = (maxNorm > 0 && norm > maxNorm ? <f32>(maxNorm / norm) : <f32>1) / scale;
    state.beta1Power = state.beta1Power * hyper.beta1;
    state.beta2Power = state.beta2Power * hyper.beta2;
  } else {
    state.skipped = state.skipped + 1;
    state.finite = 0;
    state.clip = 0;
  }
  state.norm = <f32>norm;
  const grows = hyper.growthInterval > 0;
  const good: f32 = finite && grows ? state.goodSteps + 1 : 0;
  const grow = grows && good >= hyper.growthInterval;
  if (!finite) state.lossScale = max<f32>(1, scale / 2);
  if (grow) state.lossScale = min<f32>(hyper.maxLossScale, 2 * scale);
  state.goodSteps = grow ? 0 : good;
}

@unmanaged
class AdamwArgs {
  param: usize;
  grad: usize;
  m: usize;
  v: usize;
  hyper: HyperParameters;
  state: OptimizerState;
  n: i32;
}

@unmanaged
class AdamwCopyArgs {
  param: usize;
  grad: usize;
  m: usize;
  v: usize;
  hyper: HyperParameters;
  state: OptimizerState;
  copy: usize;
  n: i32;
}

/** One unit is 4096 elements. */
export function adamw(args: AdamwArgs, begin: i32, end: i32, scratch: usize): void {
  update(args.param, args.grad, args.m, args.v, args.hyper, args.state, args.n, begin, end, 0);
}

/** The same, with a copy of the new values. */
export function adamw_copy(args: AdamwCopyArgs, begin: i32, end: i32, scratch: usize): void {
  update(args.param, args.grad, args.m, args.v, args.hyper, args.state, args.n, begin, end, args.copy);
}

/** @param copy 0 for none */
function update(
  param: usize,
  grad: usize,
  moment1: usize,
  moment2: usize,
  hyper: HyperParameters,
  state: OptimizerState,
  n: i32,
  begin: i32,
  end: i32,
  copy: usize,
): void {
  if (state.finite == 0) return;
  const clip = f32x4.splat(state.clip);
  const beta1 = f32x4.splat(hyper.beta1);
  const beta2 = f32x4.splat(hyper.beta2);
  const rest1 = f32x4.splat(1 - hyper.beta1);
  const rest2 = f32x4.splat(1 - hyper.beta2);
  const unbias1 = f32x4.splat(1 / (1 - state.beta1Power));
  const unbias2 = f32x4.splat(1 / (1 - state.beta2Power));
  const epsilon = f32x4.splat(hyper.epsilon);
  const decay = f32x4.splat(hyper.weightDecay);
  const learningRate = f32x4.splat(hyper.learningRate);
  const stop = min(n, end * elementsPerUnit);
  for (let i = begin * elementsPerUnit; i < stop; i += 4) {
    const count = stop - i;
    const g = f32x4.mul(v128.load(at(grad, i)), clip);
    const m = madd(beta1, v128.load(at(moment1, i)), f32x4.mul(rest1, g));
    const v = madd(beta2, v128.load(at(moment2, i)), f32x4.mul(f32x4.mul(rest2, g), g));
    const p = v128.load(at(param, i));
    const scale = f32x4.add(f32x4.sqrt(f32x4.mul(v, unbias2)), epsilon);
    const step = madd(decay, p, f32x4.div(f32x4.mul(m, unbias1), scale));
    const updated = f32x4.sub(p, f32x4.mul(learningRate, step));
    if (count >= 4) {
      v128.store(at(moment1, i), m);
      v128.store(at(moment2, i), v);
      v128.store(at(param, i), updated);
      if (copy != 0) v128.store(at(copy, i), updated);
    } else {
      storeLanes(at(moment1, i), m, count);
      storeLanes(at(moment2, i), v, count);
      storeLanes(at(param, i), updated, count);
      if (copy != 0) storeLanes(at(copy, i), updated, count);
    }
  }
}
