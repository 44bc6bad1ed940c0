/**
 * Losses from logits, one row per token. A loss kernel forms its gradient in the same pass, since it has the
 * probabilities in hand; the backward pass only scales it.
 *
 * A row is walked where it lies and summed in blocks: nothing as long as the vocabulary is held in registers or workgroup memory, so
 * rows may be of any length. What a large vocabulary has no room for is the matrix of all logits: core/ops/linear-loss.ts forms it in chunks
 * of rows, from the head on. A streaming softmax, which finds maximum and sum in one walk, was left out: walks of long rows cost no more
 * than those of short ones, 1.33 ns per logit for rows of 128 and 1.16 for rows of 151936 (cross-entropy with tokens; reverse KL 6.4 and 6.3;
 * `node dist/bench/fused.js`, bench/results/fused-wasm.json).
 */
import { defineKernel } from '../kernel.js';
import type { Draw } from '../kernel.js';
import type { NumberArray } from '../dtype.js';
import { logSumExp } from '../softmax/log-sum-exp.js';
import {
  crossEntropyTokensWgsl,
  crossEntropyWgsl,
  distillationWgsl,
  divergenceStatsWgsl,
  jsdWgsl,
} from './loss.wgsl.js';

export * from './top-k.js';

const params = { rows: 'u32', cols: 'u32' } as const;

function exampleShape(draw: Draw) {
  const rows = draw.pick([1, 2, 9, 33]);
  const cols = draw.pick([1, 3, 16, 65, 128]);
  return { rows, cols, size: rows * cols };
}

/** log-softmax of one row, in f64. */
function logProbabilities(z: NumberArray, row: number, cols: number): Float64Array {
  const lse = logSumExp(z, row * cols, cols);
  return Float64Array.from(z.subarray(row * cols, (row + 1) * cols), value => value - lse);
}

/** Cross-entropy of logits [rows, cols] with any target distribution, and its gradient in the same pass. */
export const crossEntropyKernel = defineKernel({
  name: 'cross_entropy',
  summary:
    'loss[i] = -weight[i] * sum_k target[i,k] * log softmax(logits[i])[k]; ' +
    'grad = weight[i] * (sum(target[i]) * softmax(logits[i]) - target[i]) = d loss / d logits',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    target: { access: 'read', kind: 'wide' },
    weight: { access: 'read', kind: 'wide' },
    loss: { access: 'write', kind: 'wide' },
    grad: { access: 'write', kind: 'float' },
  },
  params,
  reference({ logits, target, weight, loss, grad }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      const logP = logProbabilities(logits, i, cols);
      let total = 0;
      let mass = 0;
      for (let k = 0; k < cols; k++) {
        total -= target[i * cols + k]! * logP[k]!;
        mass += target[i * cols + k]!;
      }
      loss[i] = weight[i]! * total;
      for (let k = 0; k < cols; k++)
        grad[i * cols + k] = weight[i]! * (mass * Math.exp(logP[k]!) - target[i * cols + k]!);
    }
  },
  cost: ({ rows, cols }) => ({ flops: 8 * rows * cols, elements: 3 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'cross_entropy', units: rows }] }),
  wgsl: crossEntropyWgsl,
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols },
      lengths: { logits: size, target: size, weight: rows, loss: rows, grad: size },
      fills: {
        target: { kind: 'uniform', minimum: 0, maximum: 1 },
        weight: { kind: 'uniform', minimum: -1, maximum: 1 },
      },
    };
  },
  tolerance: 1e-5,
});

/**
 * Cross-entropy with one token per row: what it is for a large vocabulary, where targets [rows, cols] would be as large as the logits,
 * and for policy gradients, whose weights are advantages of sampled tokens. Bit for bit that of one-hot targets on wasm.
 */
export const crossEntropyTokensKernel = defineKernel({
  name: 'cross_entropy_tokens',
  summary:
    'loss[i] = -weight[i] * log softmax(logits[i])[tokens[i]]; grad_k = weight[i] * (softmax(logits[i])_k - [k = tokens[i]]); ' +
    'both 0 where the token is outside 0..cols - 1',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    tokens: { access: 'read', kind: 'index' },
    weight: { access: 'read', kind: 'wide' },
    loss: { access: 'write', kind: 'wide' },
    grad: { access: 'write', kind: 'float' },
  },
  params,
  reference({ logits, tokens, weight, loss, grad }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      const logP = logProbabilities(logits, i, cols);
      const token = tokens[i]!;
      const w = token >= 0 && token < cols ? weight[i]! : 0;
      loss[i] = w === 0 ? 0 : -w * logP[token]!;
      for (let k = 0; k < cols; k++) grad[i * cols + k] = w * (Math.exp(logP[k]!) - (k === token ? 1 : 0));
    }
  },
  cost: ({ rows, cols }) => ({ flops: 6 * rows * cols, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'cross_entropy_tokens', units: rows }] }),
  wgsl: crossEntropyTokensWgsl,
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols },
      lengths: { logits: size, tokens: rows, weight: rows, loss: rows, grad: size },
      fills: {
        tokens: { kind: 'values', values: Array.from({ length: rows }, () => draw.integer(-1, cols)) },
        weight: { kind: 'uniform', minimum: -1, maximum: 1 },
      },
    };
  },
  tolerance: 1e-5,
});

/** Divergences between student p and teacher q that can be distilled over a whole distribution. */
export type Divergence = 'reverse_kl' | 'forward_kl' | 'jsd';

/**
 * `floor` bounds the teacher's log-probabilities from below (log q := max(log q, floor)): a small teacher is so sure of
 * itself that unlikely tokens would otherwise dominate.
 */
function defineDistillation(divergence: 'reverse_kl' | 'forward_kl') {
  return defineKernel({
    name: `distillation_${divergence}`,
    summary:
      (divergence === 'reverse_kl'
        ? 'loss[i] = weight[i] * KL(p || q) = weight[i] * sum_k p_k (log p_k - log q_k), grad_k = weight[i] * p_k ((log p_k - log q_k) - KL)'
        : 'loss[i] = weight[i] * KL(q || p) = weight[i] * sum_k q_k (log q_k - log p_k), grad_k = weight[i] * (p_k sum(q) - q_k)') +
      '; p = softmax(student[i]), log q = max(log softmax(teacher[i]), floor[0]), q = exp(log q)',
    buffers: {
      student: { access: 'read', kind: 'float' },
      teacher: { access: 'read', kind: 'float' },
      weight: { access: 'read', kind: 'wide' },
      floor: { access: 'read', kind: 'wide' },
      loss: { access: 'write', kind: 'wide' },
      grad: { access: 'write', kind: 'float' },
    },
    params,
    reference({ student, teacher, weight, floor, loss, grad }, { rows, cols }) {
      for (let i = 0; i < rows; i++) {
        const logP = logProbabilities(student, i, cols);
        const logQ = logProbabilities(teacher, i, cols).map(value => Math.max(value, floor[0]!));
        let kl = 0;
        let mass = 0;
        for (let k = 0; k < cols; k++) {
          const [p, q] = [Math.exp(logP[k]!), Math.exp(logQ[k]!)];
          kl += divergence === 'reverse_kl' ? p * (logP[k]! - logQ[k]!) : q * (logQ[k]! - logP[k]!);
          mass += q;
        }
        loss[i] = weight[i]! * kl;
        for (let k = 0; k < cols; k++) {
          const [p, q] = [Math.exp(logP[k]!), Math.exp(logQ[k]!)];
          grad[i * cols + k] =
            weight[i]! * (divergence === 'reverse_kl' ? p * (logP[k]! - logQ[k]! - kl) : p * mass - q);
        }
      }
    },
    cost: ({ rows, cols }) => ({ flops: 16 * rows * cols, elements: 3 * rows * cols }),
    wasm: ({ rows }) => ({ passes: [{ fn: `distillation_${divergence}`, units: rows }] }),
    wgsl: target => distillationWgsl(divergence, target),
    example(draw) {
      const { rows, cols, size } = exampleShape(draw);
      return {
        params: { rows, cols },
        lengths: { student: size, teacher: size, weight: rows, floor: 1, loss: rows, grad: size },
        fills: {
          weight: { kind: 'uniform', minimum: 0, maximum: 1 },
          floor: { kind: 'values', values: [draw.pick([-12, -1000])] },
        },
      };
    },
    tolerance: 1e-5,
  });
}

/** log(p / m), m = beta q + (1 - beta) p, from d = log p - log q: exact where both agree, finite where they are far apart. */
function logRatioToMixture(d: number, beta: number): number {
  return d >= 0 ? -Math.log1p(beta * Math.expm1(-d)) : d - Math.log1p((1 - beta) * Math.expm1(d));
}

/**
 * Generalised Jensen-Shannon divergence (Agarwal et al. 2024, arXiv 2306.13649), `beta` strictly between 0 and 1. Divided by
 * beta it tends to the forward KL for beta -> 0; divided by 1 - beta, to the reverse KL for beta -> 1.
 */
const jsdKernel = defineKernel({
  name: 'distillation_jsd',
  summary:
    'loss[i] = weight[i] * sum_k (beta q_k log(q_k / m_k) + (1 - beta) p_k log(p_k / m_k)), m = beta q + (1 - beta) p; ' +
    'grad_k = weight[i] * (1 - beta) p_k (log(p_k / m_k) - sum_j p_j log(p_j / m_j)); ' +
    'p = softmax(student[i]), log q = max(log softmax(teacher[i]), floor[0]), q = exp(log q)',
  buffers: {
    student: { access: 'read', kind: 'float' },
    teacher: { access: 'read', kind: 'float' },
    weight: { access: 'read', kind: 'wide' },
    floor: { access: 'read', kind: 'wide' },
    loss: { access: 'write', kind: 'wide' },
    grad: { access: 'write', kind: 'float' },
  },
  params: { ...params, beta: 'f32' },
  reference({ student, teacher, weight, floor, loss, grad }, { rows, cols, beta }) {
    for (let i = 0; i < rows; i++) {
      const logP = logProbabilities(student, i, cols);
      const logQ = logProbabilities(teacher, i, cols).map(value => Math.max(value, floor[0]!));
      const d = logP.map((value, k) => value - logQ[k]!);
      // log(p / m) is taken less its value at the student's likeliest token, where it may be nearly all of it
      const qOverP = d.map(value => Math.exp(Math.min(-value, 700)));
      const centre = qOverP[logP.indexOf(logP.reduce((a, b) => Math.max(a, b)))]!;
      const pull = qOverP.map(ratio => -Math.log1p((beta * (ratio - centre)) / (1 - beta + beta * centre)));
      let total = 0;
      let excess = 0;
      for (let k = 0; k < cols; k++) {
        const [p, q, pOverM] = [Math.exp(logP[k]!), Math.exp(logQ[k]!), logRatioToMixture(d[k]!, beta)];
        total += beta * q * (pOverM - d[k]!) + (1 - beta) * p * pOverM;
        excess += p * pull[k]!;
      }
      loss[i] = weight[i]! * total;
      for (let k = 0; k < cols; k++)
        grad[i * cols + k] = weight[i]! * (1 - beta) * Math.exp(logP[k]!) * (pull[k]! - excess);
    }
  },
  cost: ({ rows, cols }) => ({ flops: 40 * rows * cols, elements: 3 * rows * cols }),
  wasm: ({ rows, cols }) => ({ passes: [{ fn: 'distillation_jsd', units: rows, threadScratch: 16 * (cols + 4) }] }),
  wgsl: jsdWgsl,
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols, beta: draw.pick([0.5, 0.1, 0.9]) },
      lengths: { student: size, teacher: size, weight: rows, floor: 1, loss: rows, grad: size },
      fills: {
        weight: { kind: 'uniform', minimum: 0, maximum: 1 },
        floor: { kind: 'values', values: [draw.pick([-12, -1000])] },
      },
    };
  },
  tolerance: 1e-5,
});

/** Divergences of student from teacher logits, [rows, cols] each, with their gradients. */
export const distillationKernels = {
  reverse_kl: defineDistillation('reverse_kl'),
  forward_kl: defineDistillation('forward_kl'),
  jsd: jsdKernel,
} as const;

/** What `divergence_stats` writes per row, in this order. */
export const divergenceFields = [
  /** log p of the sampled token. */
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
  name: 'divergence_stats',
  summary: `stats[rows, ${divergenceFields.length}] = ${divergenceFields.join(', ')} of every row, p = softmax(student), q = softmax(teacher)`,
  buffers: {
    student: { access: 'read', kind: 'float' },
    teacher: { access: 'read', kind: 'float' },
    tokens: { access: 'read', kind: 'index' },
    floor: { access: 'read', kind: 'wide' },
    stats: { access: 'write', kind: 'wide' },
  },
  params,
  reference({ student, teacher, tokens, floor, stats }, { rows, cols }) {
    const argmax = (x: Float64Array) => x.indexOf(x.reduce((a, b) => Math.max(a, b), -Infinity));
    for (let i = 0; i < rows; i++) {
      const logP = logProbabilities(student, i, cols);
      const rawQ = logProbabilities(teacher, i, cols);
      const logQ = rawQ.map(value => Math.max(value, floor[0]!));
      const sum = (term: (k: number) => number) =>
        Array.from({ length: cols }, (_, k) => term(k)).reduce((a, b) => a + b, 0);
      const token = tokens[i]!;
      stats.set(
        [
          logP[token]!,
          logQ[token]!,
          sum(k => Math.exp(logP[k]!) * (logP[k]! - logQ[k]!)),
          sum(k => Math.exp(logQ[k]!) * (logQ[k]! - logP[k]!)),
          -sum(k => Math.exp(logP[k]!) * logP[k]!),
          -sum(k => Math.exp(rawQ[k]!) * rawQ[k]!),
          argmax(logP) === argmax(rawQ) ? 1 : 0,
          sum(k => (rawQ[k]! < floor[0]! ? Math.exp(logP[k]!) : 0)),
        ],
        i * divergenceFields.length,
      );
    }
  },
  cost: ({ rows, cols }) => ({ flops: 20 * rows * cols, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'divergence_stats', units: rows }] }),
  wgsl: divergenceStatsWgsl,
  example(draw) {
    const { rows, cols, size } = exampleShape(draw);
    return {
      params: { rows, cols },
      lengths: { student: size, teacher: size, tokens: rows, floor: 1, stats: rows * divergenceFields.length },
      fills: {
        // distinct multiples of 1/8 apart, so that no backend rounds its way to another argmax or across the floor
        student: { kind: 'values', values: Array.from({ length: size }, (_, i) => ((i * 37) % 509) / 64 - 4) },
        teacher: { kind: 'values', values: Array.from({ length: size }, (_, i) => ((i * 61) % 499) / 32 - 8) },
        tokens: { kind: 'values', values: Array.from({ length: rows }, () => draw.integer(0, cols - 1)) },
        floor: { kind: 'values', values: [draw.pick([-12.003, -1000])] },
      },
    };
  },
  tolerance: 1e-5,
});
