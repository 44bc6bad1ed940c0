// Layer normalisation. A row is read three times, but only once from memory: it stays in the first-level cache.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-wasm.json), 3584 x 64: forward 0.19
// ms, the reference 1.09; gradient to the input with the residual's 0.20 and 1.41; to gain and bias 0.06 and 1.07.
import { at, laneMask, madd, nmadd, storeLanes, sumLanes } from '../wasm/simd.as';
import { rowSum } from '../wasm/row.as';

@unmanaged
class LayerNormArgs {
  x: usize;
  gamma: usize;
  beta: usize;
  y: usize;
  stats: usize;
  rows: i32;
  cols: i32;
  eps: f32;
}

/** One unit is one row. */
export function layer_norm(args: LayerNormArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const gamma = args.gamma;
  const beta = args.beta;
  for (let row = begin; row < end; row++) {
    const x = at(args.x, row * cols);
    const y = at(args.y, row * cols);
    const mean = rowSum(x, cols) / <f32>cols;
    const meanWide = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    let j: i32 = 0;
    for (; j <= cols - 4; j += 4) {
      const centred = f32x4.sub(v128.load(at(x, j)), meanWide);
      squares = madd(centred, centred, squares);
    }
    if (j < cols) {
      const centred = v128.and(f32x4.sub(v128.load(at(x, j)), meanWide), laneMask(cols - j));
      squares = madd(centred, centred, squares);
    }
    const rstd: f32 = <f32>1 / sqrt<f32>(sumLanes(squares) / <f32>cols + args.eps);
    const rstdWide = f32x4.splat(rstd);
    for (j = 0; j < cols; j += 4) {
      const normalised = f32x4.mul(f32x4.sub(v128.load(at(x, j)), meanWide), rstdWide);
      storeLanes(at(y, j), madd(normalised, v128.load(at(gamma, j)), v128.load(at(beta, j))), cols - j);
    }
    store<f32>(at(args.stats, 2 * row), mean);
    store<f32>(at(args.stats, 2 * row + 1), rstd);
  }
}

@unmanaged
class LayerNormGradInputArgs {
  x: usize;
  gamma: usize;
  stats: usize;
  dy: usize;
  residual: usize;
  dx: usize;
  rows: i32;
  cols: i32;
}

/** One unit is one row. */
export function layer_norm_grad_input(args: LayerNormGradInputArgs, begin: i32, end: i32, scratch: usize): void {
  gradInput(false, args, begin, end);
}

/** Likewise. The sum has the bits of the one that a kernel of its own would form: products are rounded before it. */
export function layer_norm_grad_input_residual(args: LayerNormGradInputArgs, begin: i32, end: i32, scratch: usize): void {
  gradInput(true, args, begin, end);
}

@inline
function gradInput(hasResidual: bool, args: LayerNormGradInputArgs, begin: i32, end: i32): void {
  const cols = args.cols;
  const gamma = args.gamma;
  for (let row = begin; row < end; row++) {
    const x = at(args.x, row * cols);
    const dy = at(args.dy, row * cols);
    const residual = at(args.residual, row * cols);
    const dx = at(args.dx, row * cols);
    const mean = v128.load32_splat(at(args.stats, 2 * row));
    const rstd = v128.load32_splat(at(args.stats, 2 * row + 1));
    let sumG = f32x4.splat(0);
    let sumGX = f32x4.splat(0);
    let j: i32 = 0;
    for (; j <= cols - 4; j += 4) {
      const g = f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j)));
      sumG = f32x4.add(sumG, g);
      sumGX = madd(g, f32x4.sub(v128.load(at(x, j)), mean), sumGX);
    }
    if (j < cols) {
      const mask = laneMask(cols - j);
      const g = v128.and(f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j))), mask);
      sumG = f32x4.add(sumG, g);
      sumGX = madd(g, v128.and(f32x4.sub(v128.load(at(x, j)), mean), mask), sumGX);
    }
    const meanG = f32x4.splat(sumLanes(sumG) / <f32>cols);
    const meanGX = f32x4.mul(f32x4.splat(sumLanes(sumGX) / <f32>cols), rstd);
    for (j = 0; j < cols; j += 4) {
      const g = f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j)));
      const normalised = f32x4.mul(f32x4.sub(v128.load(at(x, j)), mean), rstd);
      const v = nmadd(normalised, meanGX, f32x4.sub(g, meanG));
      let slope = f32x4.mul(rstd, v);
      if (hasResidual) slope = f32x4.add(v128.load(at(residual, j)), slope);
      storeLanes(at(dx, j), slope, cols - j);
    }
  }
}

@unmanaged
class LayerNormGradParamsArgs {
  x: usize;
  stats: usize;
  dy: usize;
  partial: usize;
  rows: i32;
  cols: i32;
  chunk: i32;
}

/** One unit is one chunk of rows; eight columns at a time keep their sums in registers. */
export function layer_norm_grad_params(args: LayerNormGradParamsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stats = args.stats;
  for (let unit = begin; unit < end; unit++) {
    const first = unit * args.chunk;
    const last = min(args.rows, first + args.chunk);
    for (let j: i32 = 0; j < cols; j += 8) {
      let gamma0 = f32x4.splat(0);
      let gamma1 = f32x4.splat(0);
      let beta0 = f32x4.splat(0);
      let beta1 = f32x4.splat(0);
      for (let row = first; row < last; row++) {
        const x = at(args.x, row * cols + j);
        const dy = at(args.dy, row * cols + j);
        const mean = v128.load32_splat(at(stats, 2 * row));
        const rstd = v128.load32_splat(at(stats, 2 * row + 1));
        const g0 = v128.load(dy);
        const g1 = v128.load(dy, 16);
        gamma0 = madd(g0, f32x4.mul(f32x4.sub(v128.load(x), mean), rstd), gamma0);
        gamma1 = madd(g1, f32x4.mul(f32x4.sub(v128.load(x, 16), mean), rstd), gamma1);
        beta0 = f32x4.add(beta0, g0);
        beta1 = f32x4.add(beta1, g1);
      }
      const out = at(args.partial, 2 * unit * cols + j);
      storeLanes(out, gamma0, cols - j);
      storeLanes(out + 16, gamma1, cols - j - 4);
      storeLanes(at(out, cols), beta0, cols - j);
      storeLanes(at(out, cols) + 16, beta1, cols - j - 4);
    }
  }
}
