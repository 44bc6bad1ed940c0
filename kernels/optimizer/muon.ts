/**
 * Muon (core/muon.ts states the method): what it needs beside matrix products. Its matrices lie in the flat buffer of
 * all parameters; equal shapes are worked on together, as one stack. `places` says where each matrix of a stack begins
 * in the flat buffer, and how many elements lie between two of its rows: a matrix may be some columns of a wider one.
 * One whose rows overlap, or do not lie in the buffer, is passed over. Every number that changes is read from device
 * memory, as with AdamW.
 */
import type { NumberArray } from '../dtype.js';
import { ceilDivide, defineKernel, given, reads, sizes, updates, writes } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { muonMomentumWgsl, muonStepWgsl, newtonSchulzWgsl } from './muon.wgsl.js';
import { hyperFields, stateFields } from './optimizer.js';

/** A matrix is divided by its norm, or by this if that is smaller: squares of smaller numbers leave f32. */
const leastNorm = 1e-12;

const stackSizes = sizes('rows', 'cols', 'count', 'total');

/** Calls `visit` with every element of a stack that lies in the flat buffer: its place there, and in the stack. */
function walk(
  places: NumberArray,
  { rows, cols, count, total }: Readonly<Record<keyof typeof stackSizes, number>>,
  visit: (flat: number, stacked: number) => void,
): void {
  for (let z = 0; z < count; z++) {
    const [first, stride] = places.subarray(2 * z) as unknown as [number, number];
    if (first < 0 || stride < cols || first + (rows - 1) * stride + cols > total) continue;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) visit(first + i * stride + j, (z * rows + i) * cols + j);
  }
}

/** The gradient joins the momentum; out comes a stack of matrices of norm 1. */
export const muonMomentumKernel = defineKernel({
  name: 'muon_momentum',
  summary:
    'x[count, rows, cols] = u / max(|u|, 1e-12) matrix by matrix, with m = momentum * m + (1 - momentum) * g, u = the same ' +
    'from the new m (Nesterov), g = clip * grad; zeros, and m stays, if state.finite is 0 or the matrix lies outside of the total',
  buffers: {
    grad: reads.wide,
    m: updates.wide,
    places: reads.index,
    hyper: reads.wide,
    state: reads.wide,
    x: writes.wide,
  },
  params: stackSizes,
  reference({ grad, m, places, hyper, state, x }, params) {
    const momentum = hyper[hyperFields.indexOf('momentum')]!;
    const [finite, clip] = [state[2]!, state[4]!];
    const size = params.rows * params.cols;
    const squares = new Float64Array(params.count);
    x.fill(0);
    walk(places, params, (flat, stacked) => {
      if (finite === 0) return;
      const g = clip * grad[flat]!;
      m[flat] = momentum * m[flat]! + (1 - momentum) * g;
      const u = momentum * m[flat] + (1 - momentum) * g;
      squares[Math.floor(stacked / size)]! += u * u;
      x[stacked] = u;
    });
    for (let i = 0; i < x.length; i++) x[i] = x[i]! / Math.max(Math.sqrt(squares[Math.floor(i / size)]!), leastNorm);
  },
  cost: ({ rows, cols, count }) => ({ flops: 10 * rows * cols * count, elements: 4 * rows * cols * count }),
  wasm: ({ count }) => ({ passes: [{ fn: 'muon_momentum', units: count }] }),
  wgsl: target => muonMomentumWgsl(target, leastNorm),
  example(draw) {
    const { params, places, size } = stackExample(draw);
    return {
      params,
      lengths: { grad: size, m: size, x: params.rows * params.cols * params.count, ...lengths(params.count) },
      fills: { places, ...numbers(draw) },
    };
  },
  tolerance: 1e-5,
});

/** What the product with a Newton-Schulz step's matrix is made of. */
export const newtonSchulzKernel = defineKernel({
  name: 'newton_schulz',
  summary: 'p = a I + b gram + c square for every n x n matrix of a stack',
  buffers: { gram: reads.wide, square: reads.wide, p: writes.wide },
  params: { n: 'u32', count: 'u32', a: 'f32', b: 'f32', c: 'f32' },
  reference({ gram, square, p }, { n, count, a, b, c }) {
    for (let i = 0; i < count * n * n; i++)
      p[i] = (Math.floor(i / n) % n === i % n ? a : 0) + b * gram[i]! + c * square[i]!;
  },
  cost: ({ n, count }) => ({ flops: 4 * count * n * n, elements: 3 * count * n * n }),
  wasm: ({ n, count }) => ({ passes: [{ fn: 'newton_schulz', units: ceilDivide(count * n, 32) }] }),
  wgsl: newtonSchulzWgsl,
  example(draw) {
    const [n, count] = [draw.pick([1, 2, 7, 16, 33]), draw.pick([1, 3])];
    const length = count * n * n;
    return {
      params: { n, count, a: 3.5, b: -4.75, c: 2 },
      lengths: { gram: length, square: length, p: length },
    };
  },
  tolerance: 1e-5,
});

/** The update of the weights. */
export const muonStepKernel = defineKernel({
  name: 'muon_step',
  summary:
    'param -= matrixRate * lr * (weightDecay * param + scale * x[count, rows, cols]), matrix by matrix; no-op if ' +
    'state.finite is 0 or the matrix lies outside of the total',
  buffers: { param: updates.wide, x: reads.wide, places: reads.index, hyper: reads.wide, state: reads.wide },
  params: { ...stackSizes, scale: 'f32' },
  reference({ param, x, places, hyper, state }, params) {
    if (state[2] === 0) return;
    const field = (name: (typeof hyperFields)[number]) => hyper[hyperFields.indexOf(name)]!;
    const rate = field('matrixRate') * field('learningRate');
    const decay = field('weightDecay');
    walk(places, params, (flat, stacked) => {
      param[flat] = param[flat]! - rate * (decay * param[flat]! + params.scale * x[stacked]!);
    });
  },
  cost: ({ rows, cols, count }) => ({ flops: 5 * rows * cols * count, elements: 3 * rows * cols * count }),
  wasm: ({ count }) => ({ passes: [{ fn: 'muon_step', units: count }] }),
  wgsl: muonStepWgsl,
  example(draw) {
    const { params, places, size } = stackExample(draw);
    return {
      params: { ...params, scale: 2 },
      lengths: { param: size, x: params.rows * params.cols * params.count, ...lengths(params.count) },
      fills: { places, ...numbers(draw) },
    };
  },
  tolerance: 1e-5,
});

const lengths = (count: number) => ({ places: 2 * count, hyper: hyperFields.length, state: stateFields.length });

const numbers = (draw: Draw) => ({
  hyper: given([1e-2, 0.9, 0.98, 1e-8, 0.1, 1, 0, 1, 0.95, 3]),
  state: given([3, 0, draw.pick([1, 1, 0]), 2, 0.5, 0.9 ** 3, 0.98 ** 3, 1, 0]),
});

/** A wide matrix whose columns are the matrices of the stack, with something in front of it and behind. */
function stackExample(draw: Draw) {
  const [rows, cols, count] = [draw.pick([1, 5, 16]), draw.pick([1, 4, 7, 64]), draw.pick([1, 3])];
  const offset = draw.pick([0, 64]);
  const total = offset + rows * count * cols + 3;
  return {
    params: { rows, cols, count, total },
    places: given(Array.from({ length: 2 * count }, (_, i) => (i % 2 ? count * cols : offset + (i / 2) * cols))),
    size: total,
  };
}
