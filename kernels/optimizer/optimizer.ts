/**
 * AdamW with clipping by global norm: three kernels over flat buffers that hold all parameters one after another,
 * sum_squares (partials) -> optimizer_prepare (norm, clip factor, bias corrections, loss scale; skips a step whose
 * gradient is not finite) -> adamw. Every number that changes is read from device memory, so the calls can be recorded
 * once and replayed.
 *
 * Gradients may carry a loss scale (Micikevicius et al. 2018, arXiv 1710.03740), which keeps those that pass through
 * f16 from underflowing. The scale is part of the state: optimizer_prepare divides it out together with clipping,
 * halves it after an overflow, and doubles it after `growthInterval` updates without one.
 */
import type { NumberArray } from '../dtype.js';
import { ceilDivide, defineKernel, given, givenEach, reads, uniform, updates, writes } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { adamwWgsl, optimizerPrepareWgsl, sumSquaresWgsl } from './optimizer.wgsl.js';

/** Sums of squares by chunk, for the norm of a gradient. */
export const sumSquaresKernel = defineKernel({
  name: 'sum_squares',
  summary: 'partial[c] = sum of x[i]^2 over chunk c of `chunk` elements',
  buffers: { x: reads.float, partial: writes.wide },
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

/**
 * Hyper-parameters, f32, as the optimiser's kernels read them; the host writes them before every step. The last two are
 * those of Muon.
 */
export const hyperFields = [
  'learningRate',
  'beta1',
  'beta2',
  'epsilon',
  'weightDecay',
  'maxNorm',
  'growthInterval',
  'maxLossScale',
  'momentum',
  'matrixRate',
] as const;

/**
 * Optimiser state, f32: `step` counts updates that were taken, `skipped` those that were not because the gradient was
 * not finite; `finite` and `norm` (before clipping, without the loss scale) describe the last gradient; `clip` is the
 * factor of clipping over the loss scale that the gradient came with. beta1Power and beta2Power are beta^step, kept as
 * running products so that no backend computes a power. `lossScale` is for the next gradient; `goodSteps` counts
 * updates since it changed.
 */
export const stateFields = [
  'step',
  'skipped',
  'finite',
  'norm',
  'clip',
  'beta1Power',
  'beta2Power',
  'lossScale',
  'goodSteps',
] as const;

/** From sums of squares to norm, clip factor, bias corrections and loss scale. */
export const optimizerPrepareKernel = defineKernel({
  name: 'optimizer_prepare',
  summary:
    `state[${stateFields.length}] = next ${stateFields.join(', ')} from partial[count] sums of squares: norm = sqrt(sum) / ` +
    'lossScale, clip = min(1, maxNorm / norm) / lossScale (1 / lossScale if maxNorm is 0); a norm that is not finite sets finite = 0 ' +
    'and counts as skipped, and halves lossScale (not below 1). growthInterval good steps in a row double it (not above ' +
    'maxLossScale), unless that is 0',
  buffers: { partial: reads.wide, hyper: reads.wide, state: updates.wide },
  params: { count: 'u32' },
  reference({ partial, hyper, state }, { count }) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += partial[i]!;
    const [, beta1, beta2, , , maxNorm, growthInterval, maxLossScale] = hyper as ArrayLike<number> as Eight;
    const scale = state[7]!;
    const norm = Math.sqrt(sum) / scale;
    if (Number.isFinite(norm)) {
      state[0] = state[0]! + 1;
      state[2] = 1;
      state[4] = (maxNorm > 0 && norm > maxNorm ? maxNorm / norm : 1) / scale;
      state[5] = state[5]! * beta1;
      state[6] = state[6]! * beta2;
    } else {
      state[1] = state[1]! + 1;
      state[2] = 0;
      state[4] = 0;
    }
    state[3] = norm;
    const good = state[2] === 1 && growthInterval > 0 ? state[8]! + 1 : 0;
    const grow = growthInterval > 0 && good >= growthInterval;
    if (state[2] === 0) state[7] = Math.max(1, scale / 2);
    else if (grow) state[7] = Math.min(maxLossScale, 2 * scale);
    state[8] = grow ? 0 : good;
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
        partial: givenEach(count, i => (i === 0 ? broken : 1 / (i + 1))),
        hyper: given([1e-3, 0.9, 0.98, 1e-8, 0.01, draw.pick([0, 1, 100]), draw.pick([0, 1, 4]), 2 ** 16, 0, 0]),
        state: given([3, 1, 1, 0.5, 1, 0.9 ** 3, 0.98 ** 3, draw.pick([1, 2 ** 12, 2 ** 16]), draw.pick([0, 3])]),
      },
    };
  },
  tolerance: 1e-5,
});

type Eight = readonly [number, number, number, number, number, number, number, number];

const adamwBuffers = {
  param: updates.wide,
  grad: reads.wide,
  m: updates.wide,
  v: updates.wide,
  hyper: reads.wide,
  state: reads.wide,
} as const;

type AdamwBuffers = Readonly<Record<keyof typeof adamwBuffers, NumberArray>>;

function adamwReference({ param, grad, m, v, hyper, state }: AdamwBuffers, { n }: { readonly n: number }): void {
  const [lr, beta1, beta2, eps, decay] = hyper as ArrayLike<number> as Eight;
  const [finite, clip] = [state[2]!, state[4]!];
  const [correction1, correction2] = [1 - state[5]!, 1 - state[6]!];
  if (finite === 0) return;
  for (let i = 0; i < n; i++) {
    const g = grad[i]! * clip;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    param[i] = param[i]! - lr * (decay * param[i]! + m[i]! / correction1 / (Math.sqrt(v[i]! / correction2) + eps));
  }
}

function adamwExample(draw: Draw) {
  const n = draw.pick([1, 5, 64, 1000]);
  const size = n + 3;
  return {
    params: { n },
    lengths: { param: size, grad: size, m: size, v: size, hyper: hyperFields.length, state: stateFields.length },
    fills: {
      m: uniform(-1, 1),
      v: uniform(0, 1),
      hyper: given([1e-2, 0.9, 0.98, 1e-8, 0.01, 1, 0, 1, 0, 0]),
      state: given([3, 0, draw.pick([1, 1, 0]), 2, 0.5, 0.9 ** 3, 0.98 ** 3, 1, 0]),
    },
  } as const;
}

/** AdamW, f32. */
export const adamwKernel = defineKernel({
  name: 'adamw',
  summary:
    'AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) on n elements: m, v, then ' +
    'param -= lr * (weightDecay * param + mhat / (sqrt(vhat) + eps)); no-op if state.finite is 0',
  buffers: adamwBuffers,
  params: { n: 'u32' },
  reference: adamwReference,
  cost: ({ n }) => ({ flops: 14 * n, elements: 7 * n }),
  wasm: ({ n }) => ({ passes: [{ fn: 'adamw', units: ceilDivide(n, 4096) }] }),
  wgsl: target => adamwWgsl(target, false),
  example: adamwExample,
  tolerance: 1e-5,
});

/** AdamW that also writes the f16 copy of the weights. */
export const adamwCopyKernel = defineKernel({
  name: 'adamw_copy',
  summary: 'adamw, and copy = param: what matrix products read where they compute in f16',
  buffers: { ...adamwBuffers, copy: updates.float },
  params: { n: 'u32' },
  reference(buffers, params) {
    adamwReference(buffers, params);
    if (buffers.state[2] === 0) return;
    for (let i = 0; i < params.n; i++) buffers.copy[i] = buffers.param[i]!;
  },
  cost: ({ n }) => ({ flops: 14 * n, elements: 8 * n }),
  wasm: ({ n }) => ({ passes: [{ fn: 'adamw_copy', units: ceilDivide(n, 4096) }] }),
  wgsl: target => adamwWgsl(target, true),
  example(draw) {
    const example = adamwExample(draw);
    return { ...example, lengths: { ...example.lengths, copy: example.params.n } };
  },
  tolerance: 1e-5,
});
