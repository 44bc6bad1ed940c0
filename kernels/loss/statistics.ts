/** What is logged about student and teacher, row by row. */
import { defineKernel, given, givenEach, reads, writes } from '../kernel.js';
import { logSoftmaxRow, rowExample, rowKernel, times } from '../softmax/row.js';
import { divergenceStatsWgsl } from './statistics.wgsl.js';

/** What `divergence_stats` writes per row, in this order. */
export const divergenceFields = [
  /** log p of the sampled token; 0 for a token that the vocabulary lacks. */
  'studentLogProb',
  /** log q of the sampled token (with the floor). */
  'teacherLogProb',
  /** KL(p || q). */
  'reverseKl',
  /** KL(q || p). */
  'forwardKl',
  'studentEntropy',
  'teacherEntropy',
  /** 1 where both argmaxes agree (the first of equals counts). */
  'agreement',
  /** Student's probability on tokens that the floor touches. */
  'clampedMass',
] as const;

/** Both KLs, entropies, agreement and log-probabilities per row, without gradient. */
export const divergenceStatsKernel = defineKernel({
  ...rowKernel('divergence_stats', { flops: 20, elements: 2 }),
  summary: `stats[rows, ${divergenceFields.length}] = ${divergenceFields.join(', ')} of every row, p = softmax(student), q = softmax(teacher)`,
  buffers: { student: reads.float, teacher: reads.float, tokens: reads.index, floor: reads.wide, stats: writes.wide },
  reference({ student, teacher, tokens, floor, stats }, { rows, cols }) {
    const largest = (x: Float64Array) => x.reduce((a, b) => Math.max(a, b), -Infinity);
    for (let i = 0; i < rows; i++) {
      const logP = logSoftmaxRow(student, i, cols);
      const rawQ = logSoftmaxRow(teacher, i, cols);
      const logQ = rawQ.map(value => Math.max(value, floor[0]!));
      const sum = (term: (k: number) => number) =>
        Array.from({ length: cols }, (_, k) => term(k)).reduce((a, b) => a + b, 0);
      const token = tokens[i]!;
      const [topP, topQ] = [largest(logP), largest(rawQ)];
      const agreement = Number.isNaN(topP + topQ) ? NaN : Number(logP.indexOf(topP) === rawQ.indexOf(topQ));
      stats.set(
        [
          logP[token] ?? 0,
          logQ[token] ?? 0,
          sum(k => times(Math.exp(logP[k]!), logP[k]! - logQ[k]!)),
          sum(k => times(rawQ[k] === -Infinity ? 0 : Math.exp(logQ[k]!), logQ[k]! - logP[k]!)),
          -sum(k => times(Math.exp(logP[k]!), logP[k]!)),
          -sum(k => times(Math.exp(rawQ[k]!), rawQ[k]!)),
          agreement,
          sum(k => (rawQ[k]! < floor[0]! ? Math.exp(logP[k]!) : 0)),
        ],
        i * divergenceFields.length,
      );
    }
  },
  wgsl: divergenceStatsWgsl,
  example: draw =>
    rowExample(draw, (rows, size, cols) => ({
      lengths: { student: size, teacher: size, tokens: rows, floor: 1, stats: rows * divergenceFields.length },
      fills: {
        // distinct multiples of 1/8 apart, so that no backend rounds its way to another argmax or across the floor
        student: givenEach(size, i => ((i * 37) % 509) / 64 - 4),
        teacher: givenEach(size, i => ((i * 61) % 499) / 32 - 8),
        tokens: givenEach(rows, () => draw.integer(-1, cols)),
        floor: given([draw.pick([-12.003, -1000])]),
      },
    })),
  tolerance: 1e-5,
});
