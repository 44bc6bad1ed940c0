/** Softmax and log-softmax over the rows of [rows, cols], with their gradients. */
import { defineKernel, reads, uniform, writes } from '../kernel.js';
import { logSoftmaxRow, rowExample, rowKernel } from './row.js';
import { softmaxGradWgsl, softmaxWgsl } from './softmax.wgsl.js';

function defineSoftmax(name: 'softmax' | 'log_softmax') {
  return defineKernel({
    ...rowKernel(name, { flops: 5, elements: 2 }),
    summary: `y[rows, cols] = ${name} of every row of x`,
    buffers: { x: reads.float, y: writes.float },
    reference({ x, y }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        const logs = logSoftmaxRow(x, i, cols);
        y.set(name === 'softmax' ? logs.map(Math.exp) : logs, i * cols);
      }
    },
    wgsl: target => softmaxWgsl(name, target),
    example: draw => rowExample(draw, (_, size) => ({ lengths: { x: size, y: size } })),
    tolerance: 5e-6,
  });
}

function defineSoftmaxGrad(name: 'softmax_grad' | 'log_softmax_grad') {
  const isLog = name === 'log_softmax_grad';
  return defineKernel({
    ...rowKernel(name, { flops: 4, elements: 3 }),
    summary: isLog
      ? 'dx = dy - exp(y) * sum(dy) per row, y = log_softmax(x)'
      : 'dx = y * (dy - sum(dy * y)) per row, y = softmax(x)',
    buffers: { y: reads.float, dy: reads.float, dx: writes.float },
    reference({ y, dy, dx }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let j = i * cols; j < (i + 1) * cols; j++) sum += isLog ? dy[j]! : dy[j]! * y[j]!;
        for (let j = i * cols; j < (i + 1) * cols; j++)
          dx[j] = isLog ? dy[j]! - Math.exp(y[j]!) * sum : y[j]! * (dy[j]! - sum);
      }
    },
    wgsl: target => softmaxGradWgsl(name, target),
    example: draw =>
      rowExample(draw, (_, size) => ({
        lengths: { y: size, dy: size, dx: size },
        fills: { y: isLog ? uniform(-20, 0) : uniform(0, 1) },
      })),
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
