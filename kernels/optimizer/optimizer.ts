/**
 * AdamW with clipping by global norm, in three kernels over flat buffers that hold all parameters one after another:
 * sum_squares (partials) -> optimizer_prepare (norm, clip factor, bias corrections; skips a step whose gradient is not
 * finite) -> adamw. All numbers that change are read from device memory, so the calls can be recorded once and replayed.
 */
import { ceilDivide, defineKernel } from '../kernel.js';
import { adamwWgsl, optimizerPrepareWgsl, sumSquaresWgsl } from './optimizer.wgsl.js';

export const sumSquaresKernel = defineKernel({
  name: 'sum_squares',
  summary: 'partial[c] = sum of x[i]^2 over chunk c of `chunk` elements',
  buffers: { x: { access: 'read', kind: 'float' }, partial: { access: 'write', kind: 'wide' } },
  params: { n: 'u32', chunk: 'u32' },
  reference({ x, partial }, { n, chunk }) {
    for (let c = 0; c * chunk < n; c++) {
      let sum = 0;
      for (let i = c * chunk; i < Math.min(n, (c + 1) * chunk); i++) sum += x[i]! ** 2;
      partial[c] = sum;
    }
  },
  cost: ({ n }) => ({ flops: 2 * n, elements: n }),
  wasm: ({ n, chunk }) => ({ passes: [{ fn: 'sum_squares', units: ceilDivide(n, chunk) }] }),
  wgsl: sumSquaresWgsl,
  example(draw) {
    const n = draw.pick([1, 5, 64, 1000, 3000]);
    const chunk = draw.pick([64, 256, 1024]);
    return { params: { n, chunk }, lengths: { x: n, partial: ceilDivide(n, chunk) } };
  },
  tolerance: 1e-5,
});

/** Hyper-parameters, f32, as `optimizer_prepare` and `adamw` read them; the host writes them before every step. */
export const hyperFields = ['learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'maxNorm'] as const;

/**
 * Optimiser state, f32: `step` counts updates that were taken, `skipped` those that were not because the gradient was
 * not finite; `finite` and `norm` (before clipping) describe the last gradient; the rest is what adamw needs.
 * beta1Power and beta2Power are beta^step, kept as running products so that no backend computes a power.
 */
export const stateFields = ['step', 'skipped', 'finite', 'norm', 'clip', 'beta1Power', 'beta2Power'] as const;

export const optimizerPrepareKernel = defineKernel({
  name: 'optimizer_prepare',
  summary:
    `state[${stateFields.length}] = next ${stateFields.join(', ')} from partial[count] sums of squares: norm = sqrt(sum), ` +
    'clip = min(1, maxNorm / norm) (1 if maxNorm is 0); a norm that is not finite sets finite = 0 and counts as skipped',
  buffers: {
    partial: { access: 'read', kind: 'wide' },
    hyper: { access: 'read', kind: 'wide' },
    state: { access: 'update', kind: 'wide' },
  },
  params: { count: 'u32' },
  reference({ partial, hyper, state }, { count }) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += partial[i]!;
    const norm = Math.sqrt(sum);
    const [, beta1, beta2, , , maxNorm] = hyper as ArrayLike<number> as readonly [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    if (Number.isFinite(norm)) {
      state[0] = state[0]! + 1;
      state[2] = 1;
      state[4] = maxNorm > 0 && norm > maxNorm ? maxNorm / norm : 1;
      state[5] = state[5]! * beta1;
      state[6] = state[6]! * beta2;
    } else {
      state[1] = state[1]! + 1;
      state[2] = 0;
      state[4] = 0;
    }
    state[3] = norm;
  },
  cost: ({ count }) => ({ flops: count, elements: count }),
  wasm: () => ({ passes: [{ fn: 'optimizer_prepare', units: 1 }] }),
  wgsl: optimizerPrepareWgsl,
  example(draw) {
    const count = draw.pick([1, 5, 300]);
    const broken = draw.pick([1, 1, 1, Infinity, NaN]);
    return {
      params: { count },
      lengths: { partial: count, hyper: hyperFields.length, state: stateFields.length },
      fills: {
        partial: { kind: 'values', values: Array.from({ length: count }, (_, i) => (i === 0 ? broken : 1 / (i + 1))) },
        hyper: { kind: 'values', values: [1e-3, 0.9, 0.98, 1e-8, 0.01, draw.pick([0, 1, 100])] },
        state: { kind: 'values', values: [3, 1, 1, 0.5, 1, 0.9 ** 3, 0.98 ** 3] },
      },
    };
  },
  tolerance: 1e-5,
});

export const adamwKernel = defineKernel({
  name: 'adamw',
  summary:
    'AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) on elements offset..offset+n: m, v, then ' +
    'param -= lr * (weightDecay * param + mhat / (sqrt(vhat) + eps)); no-op if state.finite is 0',
  buffers: {
    param: { access: 'update', kind: 'wide' },
    grad: { access: 'read', kind: 'wide' },
    m: { access: 'update', kind: 'wide' },
    v: { access: 'update', kind: 'wide' },
    hyper: { access: 'read', kind: 'wide' },
    state: { access: 'read', kind: 'wide' },
  },
  params: { offset: 'u32', n: 'u32' },
  reference({ param, grad, m, v, hyper, state }, { offset, n }) {
    const [lr, beta1, beta2, eps, decay] = hyper as ArrayLike<number> as readonly [
      number,
      number,
      number,
      number,
      number,
    ];
    const [finite, clip] = [state[2]!, state[4]!];
    const [correction1, correction2] = [1 - state[5]!, 1 - state[6]!];
    if (finite === 0) return;
    for (let i = offset; i < offset + n; i++) {
      const g = grad[i]! * clip;
      m[i] = beta1 * m[i]! + (1 - beta1) * g;
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      param[i] = param[i]! - lr * (decay * param[i]! + m[i]! / correction1 / (Math.sqrt(v[i]! / correction2) + eps));
    }
  },
  cost: ({ n }) => ({ flops: 14 * n, elements: 7 * n }),
  wasm: ({ n }) => ({ passes: [{ fn: 'adamw', units: ceilDivide(n, 4096) }] }),
  wgsl: adamwWgsl,
  example(draw) {
    const offset = draw.pick([0, 64]);
    const n = draw.pick([1, 5, 64, 1000]);
    const size = offset + n + 3;
    return {
      params: { offset, n },
      lengths: { param: size, grad: size, m: size, v: size, hyper: hyperFields.length, state: stateFields.length },
      fills: {
        m: { kind: 'uniform', minimum: -1, maximum: 1 },
        v: { kind: 'uniform', minimum: 0, maximum: 1 },
        hyper: { kind: 'values', values: [1e-2, 0.9, 0.98, 1e-8, 0.01, 1] },
        state: { kind: 'values', values: [3, 0, draw.pick([1, 1, 0]), 2, 0.5, 0.9 ** 3, 0.98 ** 3] },
      },
    };
  },
  tolerance: 1e-5,
});
