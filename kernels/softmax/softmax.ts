/** Softmax and log-softmax over the rows of [rows, cols], with their gradients. */
import { defineKernel } from '../kernel.js';
import { exampleRows, logSumExp, rowParams as params } from './row.js';
import { softmaxGradWgsl, softmaxWgsl } from './softmax.wgsl.js';

function defineSoftmax(name: 'softmax' | 'log_softmax') {
  return defineKernel({
    name,
    summary: `y[rows, cols] = ${name} of every row of x`,
    buffers: { x: { access: 'read', kind: 'float' }, y: { access: 'write', kind: 'float' } },
    params,
    reference({ x, y }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        const lse = logSumExp(x, i * cols, cols);
        for (let j = i * cols; j < (i + 1) * cols; j++) y[j] = name === 'softmax' ? Math.exp(x[j]! - lse) : x[j]! - lse;
      }
    },
    cost: ({ rows, cols }) => ({ flops: 5 * rows * cols, elements: 2 * rows * cols }),
    wasm: ({ rows }) => ({ passes: [{ fn: name, units: rows }] }),
    wgsl: target => softmaxWgsl(name, target),
    example(draw) {
      const { rows, cols, size } = exampleRows(draw);
      return { params: { rows, cols }, lengths: { x: size, y: size } };
    },
    tolerance: 5e-6,
  });
}

function defineSoftmaxGrad(name: 'softmax_grad' | 'log_softmax_grad') {
  return defineKernel({
    name,
    summary:
      name === 'softmax_grad'
        ? 'dx = y * (dy - sum(dy * y)) per row, y = softmax(x)'
        : 'dx = dy - exp(y) * sum(dy) per row, y = log_softmax(x)',
    buffers: {
      y: { access: 'read', kind: 'float' },
      dy: { access: 'read', kind: 'float' },
      dx: { access: 'write', kind: 'float' },
    },
    params,
    reference({ y, dy, dx }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let j = i * cols; j < (i + 1) * cols; j++) sum += name === 'softmax_grad' ? dy[j]! * y[j]! : dy[j]!;
        for (let j = i * cols; j < (i + 1) * cols; j++)
          dx[j] = name === 'softmax_grad' ? y[j]! * (dy[j]! - sum) : dy[j]! - Math.exp(y[j]!) * sum;
      }
    },
    cost: ({ rows, cols }) => ({ flops: 4 * rows * cols, elements: 3 * rows * cols }),
    wasm: ({ rows }) => ({ passes: [{ fn: name, units: rows }] }),
    wgsl: target => softmaxGradWgsl(name, target),
    example(draw) {
      const { rows, cols, size } = exampleRows(draw);
      const domain = name === 'softmax_grad' ? { minimum: 0, maximum: 1 } : { minimum: -20, maximum: 0 };
      return {
        params: { rows, cols },
        lengths: { y: size, dy: size, dx: size },
        fills: { y: { kind: 'uniform', ...domain } },
      };
    },
    tolerance: 5e-6,
  });
}

/** Softmax over the rows of [rows, cols]. */
export const softmaxKernel = defineSoftmax('softmax');
/** Log-softmax over the rows of [rows, cols]. */
export const logSoftmaxKernel = defineSoftmax('log_softmax');
/** Gradient of softmax from its output: [rows, cols]. */
export const softmaxGradKernel = defineSoftmaxGrad('softmax_grad');
/** Gradient of log-softmax from its output: [rows, cols]. */
export const logSoftmaxGradKernel = defineSoftmaxGrad('log_softmax_grad');
