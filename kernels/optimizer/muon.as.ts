// What Muon needs beside matrix products. One unit is one matrix of a stack: a few dozen, each of which is little work.
import { clearRow, rowSquares, scaleRow } from '../wasm/row.as';
import { at, madd, storeLanes } from '../wasm/simd.as';
import { HyperParameters, OptimizerState } from './state.as';

/** Rows per unit of work of newton_schulz: must agree with muon.ts. */
const rowsPerUnit = 32;
/** Must agree with muon.ts. */
const leastNorm: f32 = 1e-12;

@unmanaged
class MuonMomentumArgs {
  grad: usize;
  m: usize;
  places: usize;
  hyper: HyperParameters;
  state: OptimizerState;
  x: usize;
  rows: i32;
  cols: i32;
  count: i32;
  total: i32;
}

/** Whether the matrix at these places lies in the flat buffer. */
function lies(first: i32, stride: i32, rows: i32, cols: i32, total: i32): bool {
  return first >= 0 && stride >= cols && <i64>first + <i64>(rows - 1) * <i64>stride + <i64>cols <= <i64>total;
}

/** Twice through each matrix: momentum and what follows from it, then division by its norm. */
export function muon_momentum(args: MuonMomentumArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const size = args.rows * cols;
  const momentum = f32x4.splat(args.hyper.momentum);
  const rest = f32x4.splat(1 - args.hyper.momentum);
  const clip = f32x4.splat(args.state.clip);
  for (let z = begin; z < end; z++) {
    const x = at(args.x, z * size);
    const first = load<i32>(at(args.places, 2 * z));
    const stride = load<i32>(at(args.places, 2 * z + 1));
    if (args.state.finite == 0 || !lies(first, stride, args.rows, cols, args.total)) {
      clearRow(x, size);
      continue;
    }
    for (let i: i32 = 0; i < args.rows; i++) {
      const grad = at(args.grad, first + i * stride);
      const moment = at(args.m, first + i * stride);
      for (let j: i32 = 0; j < cols; j += 4) {
        const g = f32x4.mul(rest, f32x4.mul(v128.load(at(grad, j)), clip));
        const m = madd(momentum, v128.load(at(moment, j)), g);
        storeLanes(at(moment, j), m, cols - j);
        storeLanes(at(x, i * cols + j), madd(momentum, m, g), cols - j);
      }
    }
    const scale = f32x4.splat(1 / max<f32>(sqrt<f32>(rowSquares(x, 0, size)), leastNorm));
    scaleRow(x, scale, size);
  }
}

@unmanaged
class NewtonSchulzArgs {
  gram: usize;
  square: usize;
  p: usize;
  n: i32;
  count: i32;
  a: f32;
  b: f32;
  c: f32;
}

/** One unit is 32 rows, of whatever matrices. */
export function newton_schulz(args: NewtonSchulzArgs, begin: i32, end: i32, scratch: usize): void {
  const n = args.n;
  const b = f32x4.splat(args.b);
  const c = f32x4.splat(args.c);
  const stop = min(args.count * n, end * rowsPerUnit);
  for (let row = begin * rowsPerUnit; row < stop; row++) {
    const p = at(args.p, row * n);
    for (let j: i32 = 0; j < n; j += 4) {
      const square = f32x4.mul(c, v128.load(at(args.square, row * n + j)));
      storeLanes(at(p, j), madd(b, v128.load(at(args.gram, row * n + j)), square), n - j);
    }
    const diagonal = at(p, row % n);
    store<f32>(diagonal, load<f32>(diagonal) + args.a);
  }
}

@unmanaged
class MuonStepArgs {
  param: usize;
  x: usize;
  places: usize;
  hyper: HyperParameters;
  state: OptimizerState;
  rows: i32;
  cols: i32;
  count: i32;
  total: i32;
  scale: f32;
}

export function muon_step(args: MuonStepArgs, begin: i32, end: i32, scratch: usize): void {
  if (args.state.finite == 0) return;
  const cols = args.cols;
  const rate = f32x4.splat(args.hyper.matrixRate * args.hyper.learningRate);
  const decay = f32x4.splat(args.hyper.weightDecay);
  const scale = f32x4.splat(args.scale);
  for (let z = begin; z < end; z++) {
    const first = load<i32>(at(args.places, 2 * z));
    const stride = load<i32>(at(args.places, 2 * z + 1));
    if (!lies(first, stride, args.rows, cols, args.total)) continue;
    for (let i: i32 = 0; i < args.rows; i++) {
      const param = at(args.param, first + i * stride);
      const x = at(args.x, (z * args.rows + i) * cols);
      for (let j: i32 = 0; j < cols; j += 4) {
        const p = v128.load(at(param, j));
        const step = madd(decay, p, f32x4.mul(scale, v128.load(at(x, j))));
        storeLanes(at(param, j), f32x4.sub(p, f32x4.mul(rate, step)), cols - j);
      }
    }
  }
}
