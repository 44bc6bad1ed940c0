/**
 * Layer normalisation over the rows of [rows, cols] (Ba et al. 2016, arXiv 1607.06450), forward and backward.
 *
 * Norm and residual. Forward, the epilogue of the product before adds the residual (`residual` in matmul.ts), so the
 * stream is written once and read once by the norm; a kernel that adds and normalises would read two tensors and write
 * two. Backward, the norm's own kernel adds the gradient of the stream: norm and addition apart take 1.24 times as
 * long for 1408 x 96, 1.57 times for 8192 x 256 (one thread, `node dist/bench/fused.js`,
 * bench/results/fused-wasm.json).
 */
import { ceilDivide, defineKernel } from '../kernel.js';
import type { NumberArray } from '../dtype.js';
import type { Draw } from '../kernel.js';
import { layerNormGradInputWgsl, layerNormGradParamsWgsl, layerNormWgsl } from './layer-norm.wgsl.js';

function exampleShape(draw: Draw) {
  const rows = draw.pick([1, 2, 9, 40, 70, 300]);
  const cols = draw.pick([1, 3, 16, 64, 100]);
  return { rows, cols, size: rows * cols };
}

/**
 * Mean of a row, in a second look: rounding of the sum must not exceed the differences in a row of nearly equal
 * numbers.
 */
export function rowMean(x: NumberArray): number {
  let mean = 0;
  for (let look = 0; look < 2; look++) {
    let above = 0;
    for (let j = 0; j < x.length; j++) above += x[j]! - mean;
    mean += above / x.length;
  }
  return mean;
}

/** Layer norm over the rows of [rows, cols]; statistics in f32. */
export const layerNormKernel = defineKernel({
  name: 'layer_norm',
  summary:
    'y = (x - mean) / sqrt(variance + eps) * gamma + beta per row; stats[rows, 2] = mean, 1 / sqrt(variance + eps)',
  buffers: {
    x: { access: 'read', kind: 'float' },
    gamma: { access: 'read', kind: 'float' },
    beta: { access: 'read', kind: 'float' },
    y: { access: 'write', kind: 'float' },
    stats: { access: 'write', kind: 'wide' },
  },
  params: { rows: 'u32', cols: 'u32', eps: 'f32' },
  reference({ x, gamma, beta, y, stats }, { rows, cols, eps }) {
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      const mean = rowMean(x.subarray(row, row + cols));
      let variance = 0;
      for (let j = 0; j < cols; j++) variance += (x[row + j]! - mean) ** 2 / cols;
      const rstd = 1 / Math.sqrt(variance + eps);
      for (let j = 0; j < cols; j++) y[row + j] = (x[row + j]! - mean) * rstd * gamma[j]! + beta[j]!;
      stats[2 * i] = mean;
      stats[2 * i + 1] = rstd;
    }
  },
  cost: ({ rows, cols }) => ({ flops: 8 * rows * cols, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'layer_norm', units: rows }] }),
  wgsl: layerNormWgsl,
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols, eps: 1e-5 },
      lengths: { x: size, gamma: cols, beta: cols, y: size, stats: 2 * rows },
    };
  },
  tolerance: 1e-4, // a row whose values nearly agree loses digits in the rounding of its mean
});

/** Rows whose shares in the gradients of gain and bias one unit of work sums up. */
const gradChunk = 32;

/** mean and rstd of a plausible forward pass. */
const exampleStats = { kind: 'uniform', minimum: 0.1, maximum: 2 } as const;

/**
 * Gradient of layer norm to its input: [rows, cols]. The input is the residual stream, which also bypasses the block,
 * so a gradient has usually arrived there already: with `residual` the kernel adds it.
 */
function defineGradInput(hasResidual: boolean) {
  return defineKernel({
    name: `layer_norm_grad_input${hasResidual ? '_residual' : ''}`,
    summary:
      `dx = ${hasResidual ? 'residual + ' : ''}rstd * (g - mean(g) - xhat * mean(g * xhat)) per row, with g = dy * gamma, ` +
      `xhat = (x - mean) * rstd${hasResidual ? '' : '; residual is not read and takes any operand'}`,
    buffers: {
      x: { access: 'read', kind: 'float' },
      gamma: { access: 'read', kind: 'float' },
      stats: { access: 'read', kind: 'wide' },
      dy: { access: 'read', kind: 'float' },
      residual: { access: 'read', kind: 'float' },
      dx: { access: 'write', kind: 'float' },
    },
    params: { rows: 'u32', cols: 'u32' },
    reference({ x, gamma, stats, dy, residual, dx }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        const row = i * cols;
        const mean = stats[2 * i]!;
        const rstd = stats[2 * i + 1]!;
        let meanG = 0;
        let meanGX = 0;
        for (let j = 0; j < cols; j++) {
          const g = dy[row + j]! * gamma[j]!;
          meanG += g / cols;
          meanGX += (g * (x[row + j]! - mean) * rstd) / cols;
        }
        for (let j = 0; j < cols; j++) {
          const normalised = (x[row + j]! - mean) * rstd;
          const slope = rstd * (dy[row + j]! * gamma[j]! - meanG - normalised * meanGX);
          dx[row + j] = hasResidual ? residual[row + j]! + slope : slope;
        }
      }
    },
    cost: ({ rows, cols }) =>
      hasResidual
        ? { flops: 12 * rows * cols, elements: 4 * rows * cols }
        : { flops: 11 * rows * cols, elements: 3 * rows * cols },
    wasm: ({ rows }) => ({
      passes: [{ fn: `layer_norm_grad_input${hasResidual ? '_residual' : ''}`, units: rows }],
    }),
    wgsl: target => layerNormGradInputWgsl(hasResidual, target),
    example(draw) {
      const { rows, cols, size } = exampleShape(draw);
      return {
        params: { rows, cols },
        lengths: { x: size, gamma: cols, stats: 2 * rows, dy: size, residual: size, dx: size },
        fills: { stats: exampleStats },
      };
    },
    tolerance: 1e-5,
  });
}

/** Gradient of layer norm to its input, by itself. */
export const layerNormGradInputKernel = defineGradInput(false);
/** The same, added to the gradient that has come along the residual stream. */
export const layerNormGradInputResidualKernel = defineGradInput(true);

/** Gradients of layer norm to gain and bias: [cols] each. */
export const layerNormGradParamsKernel = defineKernel({
  name: 'layer_norm_grad_params',
  summary:
    'dgamma[cols] = sum of dy * xhat and dbeta[cols] = sum of dy over rows: first over chunks of rows, then over the ' +
    'chunks, in an order that no scheduling changes',
  buffers: {
    x: { access: 'read', kind: 'float' },
    stats: { access: 'read', kind: 'wide' },
    dy: { access: 'read', kind: 'float' },
    dgamma: { access: 'write', kind: 'float' },
    dbeta: { access: 'write', kind: 'float' },
  },
  params: { rows: 'u32', cols: 'u32' },
  reference({ x, stats, dy, dgamma, dbeta }, { rows, cols }) {
    for (let j = 0; j < cols; j++) {
      let gamma = 0;
      let beta = 0;
      for (let i = 0; i < rows; i++) {
        const g = dy[i * cols + j]!;
        gamma += g * (x[i * cols + j]! - stats[2 * i]!) * stats[2 * i + 1]!;
        beta += g;
      }
      dgamma[j] = gamma;
      dbeta[j] = beta;
    }
  },
  cost: ({ rows, cols }) => ({ flops: 5 * rows * cols, elements: 2 * rows * cols }),
  wasm: ({ rows, cols }) => ({
    passes: [
      { fn: 'layer_norm_grad_params', units: ceilDivide(rows, gradChunk) },
      { fn: 'layer_norm_grad_params_join', units: ceilDivide(cols, 16), threadScratch: 64 * 32 },
    ],
    constants: [gradChunk],
    sharedScratch: 8 * cols * ceilDivide(rows, gradChunk) + 64, // columns are read 16 at a time
  }),
  wgsl: target => layerNormGradParamsWgsl(gradChunk, target),
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols },
      lengths: { x: size, stats: 2 * rows, dy: size, dgamma: cols, dbeta: cols },
      fills: { stats: exampleStats },
    };
  },
  tolerance: 1e-5,
});
