/**
 * Generalised Jensen-Shannon divergence (GKD, Agarwal et al. 2024, arXiv 2306.13649), `beta` strictly between 0 and 1.
 * Divided by beta it tends to the forward KL for beta -> 0; divided by 1 - beta, to the reverse KL for beta -> 1.
 */
import { defineKernel } from '../kernel.js';
import { rowParams } from '../softmax/row.js';
import { divergeRows, divergenceBuffers, divergenceExample, whereDivergence } from './divergence.js';
import { jsdWgsl } from './jsd.wgsl.js';

/**
 * log(p / m), m = beta q + (1 - beta) p, from d = log p - log q: exact where p and q agree, finite where they are far
 * apart.
 */
function logRatioToMixture(d: number, beta: number): number {
  return d >= 0 ? -Math.log1p(beta * Math.expm1(-d)) : d - Math.log1p((1 - beta) * Math.expm1(d));
}

/**
 * The gradient is (1 - beta) p_k (log(p_k / m_k) - mean), and log(p / m) may be nearly all of the mean. So its value at
 * the student's likeliest token is taken off first.
 */
function jsdRow(logP: Float64Array, logQ: Float64Array, slope: Float64Array, beta: number): number {
  const d = logP.map((value, k) => value - logQ[k]!);
  const qOverP = d.map(value => Math.exp(Math.min(-value, 700)));
  const centre = qOverP[logP.indexOf(logP.reduce((a, b) => Math.max(a, b)))]!;
  const pull = qOverP.map(ratio => -Math.log1p((beta * (ratio - centre)) / (1 - beta + beta * centre)));
  let total = 0;
  let mean = 0;
  for (let k = 0; k < d.length; k++) {
    const [p, q, pOverM] = [Math.exp(logP[k]!), Math.exp(logQ[k]!), logRatioToMixture(d[k]!, beta)];
    total += beta * q * (pOverM - d[k]!) + (1 - beta) * p * pOverM;
    mean += p * pull[k]!;
  }
  for (let k = 0; k < d.length; k++) slope[k] = (1 - beta) * Math.exp(logP[k]!) * (pull[k]! - mean);
  return total;
}

/** weight * JSD of every row, and its gradient to the student's logits. */
export const jsdKernel = defineKernel({
  name: 'distillation_jsd',
  summary:
    'loss[i] = weight[i] * sum_k (beta q_k log(q_k / m_k) + (1 - beta) p_k log(p_k / m_k)), m = beta q + (1 - beta) p; ' +
    'grad_k = weight[i] * (1 - beta) p_k (log(p_k / m_k) - sum_j p_j log(p_j / m_j)); ' +
    whereDivergence,
  buffers: divergenceBuffers,
  params: { ...rowParams, beta: 'f32' },
  reference: (buffers, params) =>
    divergeRows(buffers, params, (logP, logQ, slope) => jsdRow(logP, logQ, slope, params.beta)),
  cost: ({ rows, cols }) => ({ flops: 40 * rows * cols, elements: 3 * rows * cols }),
  wasm: ({ rows, cols }) => ({ passes: [{ fn: 'distillation_jsd', units: rows, threadScratch: 16 * (cols + 4) }] }),
  wgsl: jsdWgsl,
  example(draw) {
    const { params, ...rest } = divergenceExample(draw);
    return { params: { ...params, beta: draw.pick([0.5, 0.1, 0.9]) }, ...rest };
  },
  tolerance: 1e-5,
});
