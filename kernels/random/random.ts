/**
 * Counter-based random numbers: the value at (seed, stream, step, column, index) is a hash of these five. It does not
 * depend on the order of execution, and is the same on every backend. The hash is pcg4d (Jarzynski & Olano 2020, "Hash
 * Functions for GPU Rendering", JCGT 9(3)), twice: 32-bit multiply, add, shift and xor only. Once is too little: a
 * change of the upper bits of seed or step leaves the result half as it was.
 */
import { ceilDivide, defineKernel } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { randomUniformWgsl, sampleTokensWgsl } from './random.wgsl.js';

/** pcg4d: four 32-bit words to four well-mixed 32-bit words (as unsigned integers). */
export function pcg4d(x: number, y: number, z: number, w: number): [number, number, number, number] {
  x = (Math.imul(x, 1664525) + 1013904223) | 0;
  y = (Math.imul(y, 1664525) + 1013904223) | 0;
  z = (Math.imul(z, 1664525) + 1013904223) | 0;
  w = (Math.imul(w, 1664525) + 1013904223) | 0;
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  w ^= w >>> 16;
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  return [x >>> 0, y >>> 0, z >>> 0, w >>> 0];
}

/** 32 random bits at (seed, stream, step, column, index). */
export function randomBits(seed: number, stream: number, step: number, column: number, index: number): number {
  const [x, y, z, w] = pcg4d(seed, stream, step, column);
  return pcg4d(x, (y + index) | 0, z, w)[0];
}

/** A uniform number in (0, 1) from the upper 23 bits of a word: (bits + 1/2) * 2^-23, exact in f32. */
export function uniformFromBits(word: number): number {
  return ((word >>> 9) + 0.5) * 2 ** -23;
}

/** Integers of the `control` buffer of a random kernel; the host writes them, kernels only read. */
export const controlFields = ['seed', 'stream', 'step', 'endOfSequence', 'padding'] as const;
/** Behind them, for kernels that take the column from memory. */
export const columnField = controlFields.length;

/**
 * A token by the Gumbel-max trick: the largest of `scores` (logits + bias), the first of equals, each with noise at
 * (control.seed, control.stream, control.step, column, first + k) times the temperature. (Scores divided by the
 * temperature would overflow where it is small.)
 */
export function drawToken(
  scores: ArrayLike<number>,
  temperature: number,
  control: ArrayLike<number>,
  column: number,
  first: number,
): number {
  let best = 0;
  let bestScore = -Infinity;
  for (let k = 0; k < scores.length; k++) {
    let score = scores[k]!;
    if (temperature > 0) {
      const u = uniformFromBits(randomBits(control[0]!, control[1]!, control[2]!, column, first + k));
      score -= temperature * Math.log(-Math.log(u));
    }
    if (score > bestScore) {
      bestScore = score;
      best = k;
    }
  }
  return best;
}

/** Uniform numbers in (0, 1) at (seed, stream, step, 0, index). */
export const randomUniformKernel = defineKernel({
  name: 'random_uniform',
  summary: 'y[i] = uniform number in (0, 1) at (control.seed, control.stream, control.step, 0, i), for n elements',
  buffers: { control: { access: 'read', kind: 'index' }, y: { access: 'write', kind: 'float' } },
  params: { n: 'u32' },
  reference({ control, y }, { n }) {
    for (let i = 0; i < n; i++) y[i] = uniformFromBits(randomBits(control[0]!, control[1]!, control[2]!, 0, i));
  },
  cost: ({ n }) => ({ flops: 0, elements: n }),
  wasm: ({ n }) => ({ passes: [{ fn: 'random_uniform', units: ceilDivide(n, 4096) }] }),
  wgsl: randomUniformWgsl,
  example(draw) {
    const n = draw.pick([1, 5, 64, 1000]);
    const control = [draw.integer(0, 2 ** 31 - 1), draw.integer(0, 100), draw.integer(0, 100000), 2, 0];
    return {
      params: { n },
      lengths: { control: control.length, y: n },
      fills: { control: { kind: 'values', values: control } },
    };
  },
  tolerance: 0,
});

/** Any seed and step, one of the tokens as end of sequence, and the column where one is given. */
export function exampleControl(draw: Draw, tokens: number, ...column: readonly number[]) {
  const values = [draw.integer(0, 1e9), 3, draw.integer(0, 1000), draw.integer(0, tokens - 1), 0, ...column];
  return { kind: 'values', values } as const;
}

/** One token per row by the Gumbel-max trick: i32 [rows]. */
export const sampleTokensKernel = defineKernel({
  name: 'sample_tokens',
  summary:
    'One token per row from softmax((logits + bias) / temperature) by the Gumbel-max trick, the largest logit (first of ' +
    'equals) where temperature[0] is 0. tokens[row, column] = next[row] = the token, or control.padding where done[row] is ' +
    'set; done[row] is set when control.endOfSequence is drawn. Noise at (seed, stream, step, column, row * cols + col)',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    bias: { access: 'read', kind: 'wide' },
    temperature: { access: 'read', kind: 'wide' },
    control: { access: 'read', kind: 'index' },
    done: { access: 'update', kind: 'index' },
    tokens: { access: 'update', kind: 'index' },
    next: { access: 'write', kind: 'index' },
  },
  params: { rows: 'u32', cols: 'u32', column: 'u32', stride: 'u32' },
  reference({ logits, bias, temperature, control, done, tokens, next }, { rows, cols, column, stride }) {
    for (let i = 0; i < rows; i++) {
      const scores = Float64Array.from(bias.subarray(0, cols), (b, k) => logits[i * cols + k]! + b);
      const best = drawToken(scores, temperature[0]!, control, column, i * cols);
      const token = done[i]! !== 0 ? control[4]! : best;
      tokens[i * stride + column] = token;
      next[i] = token;
      if (token === control[3]) done[i] = 1;
    }
  },
  cost: ({ rows, cols }) => ({ flops: 6 * rows * cols, elements: rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'sample_tokens', units: rows }] }),
  wgsl: sampleTokensWgsl,
  example(draw) {
    const rows = draw.pick([1, 3, 17]);
    const cols = draw.pick([1, 5, 128]);
    const stride = draw.pick([1, 4]);
    const column = draw.integer(0, stride - 1);
    const size = rows * cols;
    return {
      params: { rows, cols, column, stride },
      lengths: { logits: size, bias: cols, temperature: 1, control: 5, done: rows, tokens: rows * stride, next: rows },
      fills: {
        // far enough apart that f32 and f64 logarithms pick the same token
        logits: { kind: 'values', values: Array.from({ length: size }, (_, i) => ((i * 37) % 509) / 32) },
        bias: { kind: 'values', values: Array.from({ length: cols }, (_, k) => (k % 7 === 3 ? -1e30 : 0)) },
        temperature: { kind: 'values', values: [draw.pick([0, 0, 1, 0.5])] },
        control: exampleControl(draw, cols),
        done: { kind: 'values', values: Array.from({ length: rows }, () => draw.pick([0, 0, 1])) },
        tokens: { kind: 'values', values: Array.from({ length: rows * stride }, () => 1) },
      },
    };
  },
  tolerance: 0,
});
