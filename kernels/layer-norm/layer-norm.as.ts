// Layer normalisation. A row is read four times, but only once from memory: it stays in the first-level cache. Forward,
// four rows go together, each with the bits that it has alone.
//
// Measured on one thread, 3584 x 64: forward 15 times as fast as the reference, gradient to the input with the
// residual's 12 times (`node dist/bench/reference.js`, bench/results/reference-rows.json, beside other work); to gain
// and bias 0.06 ms, the reference 1.07 (reference-wasm.json).
import { at, laneMask, madd, nmadd, storeLanes, sumLanes } from '../wasm/simd.as';
import { reduceColumns, rowMean, rowSquares, sumBlock, sumFourRows } from '../wasm/row.as';

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
  const first = begin * args.cols;
  const stats = at(args.stats, 2 * begin);
  normRows(at(args.x, first), at(args.y, first), end - begin, args.cols, args.gamma, args.beta, args.eps, stats);
}

/** Rows, normalised, four at a time where that can be; their statistics go to `stats`, unless that is 0. */
export function normRows(
  x: usize,
  y: usize,
  rows: i32,
  cols: i32,
  gamma: usize,
  beta: usize,
  eps: f32,
  stats: usize,
): void {
  let row: i32 = 0;
  if ((cols & 3) == 0 && cols <= sumBlock)
    for (; row <= rows - 4; row += 4)
      normFourRows(at(x, row * cols), at(y, row * cols), cols, gamma, beta, eps, stats ? at(stats, 2 * row) : 0);
  for (; row < rows; row++)
    normRow(at(x, row * cols), at(y, row * cols), cols, gamma, beta, eps, stats ? at(stats, 2 * row) : 0);
}

/**
 * `normRow` of four rows, with the same bits: a sum waits for each of its additions, four sums wait together. What is
 * one number of a row there is a lane here.
 */
function normFourRows(x: usize, y: usize, cols: i32, gamma: usize, beta: usize, eps: f32, stats: usize): void {
  const count = f32x4.splat(<f32>cols);
  const level = f32x4.div(sumFourRows(false, x, f32x4.splat(0), cols), count);
  const mean = f32x4.add(level, f32x4.div(sumFourRows(false, x, level, cols), count));
  const variance = f32x4.div(sumFourRows(true, x, mean, cols), count);
  const rstd = f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(variance, f32x4.splat(eps))));
  applyNorm(x, y, cols, gamma, beta, i32x4.shuffle(mean, mean, 0, 0, 0, 0), i32x4.shuffle(rstd, rstd, 0, 0, 0, 0));
  x = at(x, cols);
  y = at(y, cols);
  applyNorm(x, y, cols, gamma, beta, i32x4.shuffle(mean, mean, 1, 1, 1, 1), i32x4.shuffle(rstd, rstd, 1, 1, 1, 1));
  x = at(x, cols);
  y = at(y, cols);
  applyNorm(x, y, cols, gamma, beta, i32x4.shuffle(mean, mean, 2, 2, 2, 2), i32x4.shuffle(rstd, rstd, 2, 2, 2, 2));
  x = at(x, cols);
  y = at(y, cols);
  applyNorm(x, y, cols, gamma, beta, i32x4.shuffle(mean, mean, 3, 3, 3, 3), i32x4.shuffle(rstd, rstd, 3, 3, 3, 3));
  if (!stats) return;
  v128.store(stats, i32x4.shuffle(mean, rstd, 0, 4, 1, 5));
  v128.store(stats, i32x4.shuffle(mean, rstd, 2, 6, 3, 7), 16);
}

/** A row, normalised; its mean and the reciprocal of its deviation go to `stats`. */
function normRow(x: usize, y: usize, cols: i32, gamma: usize, beta: usize, eps: f32, stats: usize): void {
  const mean = rowMean(x, cols);
  const rstd: f32 = <f32>1 / sqrt<f32>(rowSquares(x, mean, cols) / <f32>cols + eps);
  applyNorm(x, y, cols, gamma, beta, f32x4.splat(mean), f32x4.splat(rstd));
  if (!stats) return;
  store<f32>(stats, mean);
  store<f32>(stats, rstd, 4);
}

@inline
function applyNorm(x: usize, y: usize, cols: i32, gamma: usize, beta: usize, mean: v128, rstd: v128): void {
  let j: i32 = 0;
  for (; j <= cols - 4; j += 4) v128.store(at(y, j), norm4(at(x, j), at(gamma, j), at(beta, j), mean, rstd));
  if (j < cols) storeLanes(at(y, j), norm4(at(x, j), at(gamma, j), at(beta, j), mean, rstd), cols - j);
}

@inline
function norm4(x: usize, gamma: usize, beta: usize, mean: v128, rstd: v128): v128 {
  return madd(f32x4.mul(f32x4.sub(v128.load(x), mean), rstd), v128.load(gamma), v128.load(beta));
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
    let totalG: f64 = 0;
    let totalGX: f64 = 0;
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let sumG = f32x4.splat(0);
      let sumGX = f32x4.splat(0);
      let j = from;
      for (; j <= stop - 4; j += 4) {
        const g = f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j)));
        sumG = f32x4.add(sumG, g);
        sumGX = madd(g, f32x4.sub(v128.load(at(x, j)), mean), sumGX);
      }
      if (j < stop) {
        const mask = laneMask(stop - j);
        const g = v128.and(f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j))), mask);
        sumG = f32x4.add(sumG, g);
        sumGX = madd(g, v128.and(f32x4.sub(v128.load(at(x, j)), mean), mask), sumGX);
      }
      totalG += <f64>sumLanes(sumG);
      totalGX += <f64>sumLanes(sumGX);
    }
    const meanG = f32x4.splat(<f32>totalG / <f32>cols);
    const meanGX = f32x4.mul(f32x4.splat(<f32>totalGX / <f32>cols), rstd);
    let j: i32 = 0;
    for (; j <= cols - 4; j += 4) {
      const slope = slope4(at(x, j), at(gamma, j), at(dy, j), mean, rstd, meanG, meanGX);
      v128.store(at(dx, j), hasResidual ? f32x4.add(v128.load(at(residual, j)), slope) : slope);
    }
    if (j < cols) {
      const slope = slope4(at(x, j), at(gamma, j), at(dy, j), mean, rstd, meanG, meanGX);
      storeLanes(at(dx, j), hasResidual ? f32x4.add(v128.load(at(residual, j)), slope) : slope, cols - j);
    }
  }
}

@inline
function slope4(x: usize, gamma: usize, dy: usize, mean: v128, rstd: v128, meanG: v128, meanGX: v128): v128 {
  const g = f32x4.mul(v128.load(dy), v128.load(gamma));
  const normalised = f32x4.mul(f32x4.sub(v128.load(x), mean), rstd);
  return f32x4.mul(rstd, nmadd(normalised, meanGX, f32x4.sub(g, meanG)));
}

@unmanaged
class LayerNormGradParamsArgs {
  x: usize;
  stats: usize;
  dy: usize;
  dgamma: usize;
  dbeta: usize;
  rows: i32;
  cols: i32;
  chunk: i32;
  /** Sums of each chunk: [chunks, 2, cols]. */
  partial: usize;
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

/** One unit is 16 columns of both. */
export function layer_norm_grad_params_join(
  args: LayerNormGradParamsArgs,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const cols = args.cols;
  const chunks = (args.rows + args.chunk - 1) / args.chunk;
  for (let j = 16 * begin; j < min(cols, 16 * end); j += 16) {
    sumColumns(at(args.partial, j), 2 * cols, chunks, scratch, at(args.dgamma, j), cols - j);
    sumColumns(at(args.partial, cols + j), 2 * cols, chunks, scratch, at(args.dbeta, j), cols - j);
  }
}

/** Sums of `rows` rows, which lie `stride` elements apart, of at most 16 columns. */
function sumColumns(x: usize, stride: i32, rows: i32, scratch: usize, y: usize, columns: i32): void {
  reduceColumns(false, x, (<usize>stride) << 2, rows, scratch);
  for (let i: i32 = 0; i < 16; i += 4) storeLanes(at(y, i), v128.load(at(scratch, i)), columns - i);
}
