/**
 * How far a student p is from a teacher q, over the whole vocabulary and row by row: the loss of on-policy
 * distillation. With p = softmax(z), q = softmax(teacher) and the sums over all tokens k,
 *
 *   reverse   KL(p || q) = sum p_k (log p_k - log q_k)     d KL / dz_k = p_k ((log p_k - log q_k) - KL)
 *   forward   KL(q || p) = sum q_k (log q_k - log p_k)     d KL / dz_k = p_k sum(q) - q_k
 *
 * Reverse KL averages over what the student says, forward KL over what the teacher says (MiniLLM, Gu et al. 2024, arXiv
 * 2306.08543; GKD, Agarwal et al. 2024, arXiv 2306.13649). lesson.md derives both gradients.
 *
 * A row may be of any length: it is walked where it lies and summed in blocks, so nothing as long as the vocabulary is
 * kept in registers. A streaming softmax (maximum and sum in one walk) was left out: reverse KL costs 8.7 ns per logit
 * on rows of 128 and 9.8 on rows of 151936 (`node dist/bench/fused.js`, bench/results/fused-wasm.json, beside other
 * work), so the extra walk is not what takes the time.
 */
import { defineKernel, given, reads, uniform, writes } from '../kernel.js';
import { logSoftmaxRow, rowExample, rowKernel, times } from '../softmax/row.js';
import { forwardKlWgsl, reverseKlWgsl } from './divergence.wgsl.js';

/** One row: returns the divergence, and leaves d divergence / d student logits in `slope`. */
type RowDivergence = (logP: Float64Array, logQ: Float64Array, q: Float64Array, slope: Float64Array) => number;

function reverseKl(logP: Float64Array, logQ: Float64Array, _: Float64Array, slope: Float64Array): number {
  const p = logP.map(Math.exp);
  const kl = p.reduce((sum, value, k) => sum + times(value, logP[k]! - logQ[k]!), 0);
  for (let k = 0; k < p.length; k++) slope[k] = times(p[k]!, logP[k]! - logQ[k]! - kl);
  return kl;
}

/** sum(q) is 1 until the floor lifts some q. */
function forwardKl(logP: Float64Array, logQ: Float64Array, q: Float64Array, slope: Float64Array): number {
  const mass = q.reduce((sum, value) => sum + value, 0);
  for (let k = 0; k < q.length; k++) slope[k] = Math.exp(logP[k]!) * mass - q[k]!;
  return q.reduce((sum, value, k) => sum + times(value, logQ[k]! - logP[k]!), 0);
}

/**
 * `floor[0]` bounds log q from below: a small teacher is so sure of itself that unlikely tokens would otherwise
 * dominate. It lifts no token that the teacher rules out (a logit of -infinity): there q is 0. `weight` is 0 for rows
 * that do not count, whatever their logits.
 */
function defineDivergence(name: string, formula: string, divergence: RowDivergence, wgsl: typeof reverseKlWgsl) {
  return defineKernel({
    ...rowKernel(name, { flops: 16, elements: 3 }),
    wasm: ({ rows, cols }) => ({ passes: [{ fn: name, units: rows, threadScratch: 4 * cols }] }), // e^teacher
    summary: `${formula}; p = softmax(student[i]), log q = max(log softmax(teacher[i]), floor[0]), q = exp(log q), and 0 where the logit is -infinity`,
    buffers: {
      student: reads.float,
      teacher: reads.float,
      weight: reads.wide,
      floor: reads.wide,
      loss: writes.wide,
      grad: writes.float,
    },
    reference({ student, teacher, weight, floor, loss, grad }, { rows, cols }) {
      const slope = new Float64Array(cols);
      for (let i = 0; i < rows; i++) {
        const rawQ = logSoftmaxRow(teacher, i, cols);
        const logQ = rawQ.map(value => Math.max(value, floor[0]!));
        const q = logQ.map((value, k) => (rawQ[k] === -Infinity ? 0 : Math.exp(value)));
        loss[i] = times(weight[i]!, divergence(logSoftmaxRow(student, i, cols), logQ, q, slope));
        for (let k = 0; k < cols; k++) grad[i * cols + k] = times(weight[i]!, slope[k]!);
      }
    },
    wgsl,
    example: draw =>
      rowExample(draw, (rows, size) => ({
        lengths: { student: size, teacher: size, weight: rows, floor: 1, loss: rows, grad: size },
        fills: { weight: uniform(0, 1), floor: given([draw.pick([-12, -1000])]) },
      })),
    tolerance: 1e-5,
  });
}

/** weight * KL(p || q) of every row, and its gradient to the student's logits. */
export const reverseKlKernel = defineDivergence(
  'distillation_reverse_kl',
  'loss[i] = weight[i] * KL(p || q) = weight[i] * sum_k p_k (log p_k - log q_k), grad_k = weight[i] * p_k ((log p_k - log q_k) - KL)',
  reverseKl,
  reverseKlWgsl,
);

/** weight * KL(q || p) of every row, and its gradient to the student's logits. */
export const forwardKlKernel = defineDivergence(
  'distillation_forward_kl',
  'loss[i] = weight[i] * KL(q || p) = weight[i] * sum_k q_k (log q_k - log p_k), grad_k = weight[i] * (p_k sum(q) - q_k)',
  forwardKl,
  forwardKlWgsl,
);
