/**
 * Cross-entropy from logits, one row per token, and its gradient in the same pass: the kernel has the probabilities in
 * hand, so the backward pass only scales what it wrote. lesson.md derives the formulas.
 */
import { defineKernel, givenEach, reads, uniform, writes } from '../kernel.js';
import { logSoftmaxRow, rowExample, rowKernel, times } from '../softmax/row.js';
import { crossEntropyTokensWgsl, crossEntropyWgsl } from './cross-entropy.wgsl.js';

/** Cross-entropy of logits [rows, cols] with any target distribution, and its gradient in the same pass. */
export const crossEntropyKernel = defineKernel({
  ...rowKernel('cross_entropy', { flops: 8, elements: 3 }),
  summary:
    'loss[i] = -weight[i] * sum_k target[i,k] * log softmax(logits[i])[k]; ' +
    'grad = weight[i] * (sum(target[i]) * softmax(logits[i]) - target[i]) = d loss / d logits',
  buffers: { logits: reads.float, target: reads.wide, weight: reads.wide, loss: writes.wide, grad: writes.float },
  reference({ logits, target, weight, loss, grad }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      const logP = logSoftmaxRow(logits, i, cols);
      let total = 0;
      let mass = 0;
      for (let k = 0; k < cols; k++) {
        total -= times(target[i * cols + k]!, logP[k]!);
        mass += target[i * cols + k]!;
      }
      loss[i] = times(weight[i]!, total);
      for (let k = 0; k < cols; k++)
        grad[i * cols + k] = times(weight[i]!, mass * Math.exp(logP[k]!) - target[i * cols + k]!);
    }
  },
  wgsl: crossEntropyWgsl,
  example: draw =>
    rowExample(draw, (rows, size) => ({
      lengths: { logits: size, target: size, weight: rows, loss: rows, grad: size },
      fills: { target: uniform(0, 1), weight: uniform(-1, 1) },
    })),
  tolerance: 1e-5,
});

/**
 * Cross-entropy with one token per row: what it is for a large vocabulary, where targets [rows, cols] would be as large
 * as the logits, and for policy gradients, whose weights are advantages of sampled tokens. Bit for bit that of one-hot
 * targets on wasm.
 */
export const crossEntropyTokensKernel = defineKernel({
  ...rowKernel('cross_entropy_tokens', { flops: 6, elements: 2 }),
  summary:
    'loss[i] = -weight[i] * log softmax(logits[i])[tokens[i]]; grad_k = weight[i] * (softmax(logits[i])_k - [k = tokens[i]]); ' +
    'both 0 where the token is outside 0..cols - 1, or the weight 0, whatever the logits',
  buffers: { logits: reads.float, tokens: reads.index, weight: reads.wide, loss: writes.wide, grad: writes.float },
  reference({ logits, tokens, weight, loss, grad }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      const logP = logSoftmaxRow(logits, i, cols);
      const token = tokens[i]!;
      const w = token >= 0 && token < cols ? weight[i]! : 0;
      loss[i] = times(-w, logP[token]!);
      for (let k = 0; k < cols; k++) grad[i * cols + k] = times(w, Math.exp(logP[k]!) - (k === token ? 1 : 0));
    }
  },
  wgsl: crossEntropyTokensWgsl,
  example: draw =>
    rowExample(draw, (rows, size, cols) => ({
      lengths: { logits: size, tokens: rows, weight: rows, loss: rows, grad: size },
      fills: { tokens: givenEach(rows, () => draw.integer(-1, cols)), weight: uniform(-1, 1) },
    })),
  tolerance: 1e-5,
});
