/**
 * A distribution seen through its k likeliest tokens: their logits as they are, and one more logit for all other tokens
 * together (the tail). Softmax of these k + 1 numbers gives the k probabilities and what is left, so every divergence
 * of loss.ts can be taken of them as of a whole vocabulary. It is never larger than the divergence over all tokens.
 */
import type { NumberArray } from '../dtype.js';
import { defineKernel } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { tailBucketGradWgsl, tailBucketWgsl, topKWgsl } from './top-k.wgsl.js';

/** Positions of the k largest logits of each row: i32 [rows, k]. */
export const topKKernel = defineKernel({
  name: 'top_k',
  summary:
    'indices[rows, k]: positions of the k largest of logits[rows, cols] in falling order, of equal ones the first before ' +
    'the others; k <= cols, no NaN',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    indices: { access: 'write', kind: 'index' },
  },
  params: { rows: 'u32', cols: 'u32', k: 'u32' },
  reference({ logits, indices }, { rows, cols, k }) {
    for (let i = 0; i < rows; i++) {
      const row = logits.subarray(i * cols, (i + 1) * cols);
      const order = Array.from(row, (_, j) => j).sort((a, b) => row[b]! - row[a]! || a - b);
      indices.set(order.slice(0, k), i * k);
    }
  },
  cost: ({ rows, cols, k }) => ({ flops: 2 * rows * cols * k, elements: rows * (cols + k) }),
  wasm: ({ rows, cols }) => ({ passes: [{ fn: 'top_k', units: rows, threadScratch: 4 * (cols + 4) }] }),
  wgsl: topKWgsl,
  example(draw) {
    const { rows, cols, k } = exampleShape(draw);
    const levels = draw.pick([509, 11]); // with 11 there are many equal ones
    const logits = Array.from({ length: rows * cols }, (_, i) => ((i * 37) % levels) / 64 - 4);
    return {
      params: { rows, cols, k },
      lengths: { logits: rows * cols, indices: rows * k },
      fills: { logits: { kind: 'values', values: logits } },
    };
  },
  tolerance: 0,
});

/** Chosen logits and one for all others: [rows, k + 1]. */
export const tailBucketKernel = defineKernel({
  name: 'tail_bucket',
  summary:
    'pooled[rows, k + 1]: logits[i, indices[i]] and the log of the sum of exponentials of all others; indices[rows, k] of a ' +
    'row are all different, k < cols',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    indices: { access: 'read', kind: 'index' },
    pooled: { access: 'write', kind: 'float' },
  },
  params: { rows: 'u32', cols: 'u32', k: 'u32' },
  reference({ logits, indices, pooled }, { rows, cols, k }) {
    for (let i = 0; i < rows; i++) {
      const row = Float64Array.from(logits.subarray(i * cols, (i + 1) * cols));
      const chosen = slotsOf(indices, i, k);
      const rest = row.filter((_, j) => !chosen.has(j));
      const largest = rest.reduce((a, b) => Math.max(a, b), -Infinity);
      for (const [j, r] of chosen) pooled[i * (k + 1) + r] = row[j]!;
      pooled[i * (k + 1) + k] = largest + Math.log(rest.reduce((sum, z) => sum + Math.exp(z - largest), 0));
    }
  },
  cost: ({ rows, cols }) => ({ flops: 4 * rows * cols, elements: rows * cols }),
  wasm: ({ rows, cols }) => ({ passes: [{ fn: 'tail_bucket', units: rows, threadScratch: 4 * (cols + 4) }] }),
  wgsl: tailBucketWgsl,
  example(draw) {
    const { rows, cols, k, indices } = exampleShape(draw);
    return {
      params: { rows, cols, k },
      lengths: { logits: rows * cols, indices: rows * k, pooled: rows * (k + 1) },
      fills: { indices },
    };
  },
  tolerance: 1e-6,
});

/** Gradient of the tail bucket to the logits: [rows, cols]. */
export const tailBucketGradKernel = defineKernel({
  name: 'tail_bucket_grad',
  summary:
    'dlogits[i, indices[i, r]] = dpooled[i, r]; dlogits[i, j] = dpooled[i, k] * exp(logits[i, j] - pooled[i, k]) for all ' +
    'others, the share that j has in the tail',
  buffers: {
    logits: { access: 'read', kind: 'float' },
    indices: { access: 'read', kind: 'index' },
    pooled: { access: 'read', kind: 'float' },
    dpooled: { access: 'read', kind: 'float' },
    dlogits: { access: 'write', kind: 'float' },
  },
  params: { rows: 'u32', cols: 'u32', k: 'u32' },
  reference({ logits, indices, pooled, dpooled, dlogits }, { rows, cols, k }) {
    for (let i = 0; i < rows; i++) {
      const chosen = slotsOf(indices, i, k);
      const tail = i * (k + 1) + k;
      for (let j = 0; j < cols; j++) {
        const slot = chosen.get(j);
        dlogits[i * cols + j] =
          slot === undefined
            ? dpooled[tail]! * Math.exp(logits[i * cols + j]! - pooled[tail]!)
            : dpooled[i * (k + 1) + slot]!;
      }
    }
  },
  cost: ({ rows, cols }) => ({ flops: 3 * rows * cols, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'tail_bucket_grad', units: rows }] }),
  wgsl: tailBucketGradWgsl,
  example(draw) {
    const { rows, cols, k, indices } = exampleShape(draw);
    const pooled = rows * (k + 1);
    return {
      params: { rows, cols, k },
      lengths: { logits: rows * cols, indices: rows * k, pooled, dpooled: pooled, dlogits: rows * cols },
      fills: {
        indices,
        // a tail is never less than one of its logits: shares stay at or below 1
        logits: { kind: 'uniform', minimum: -4, maximum: 4 },
        pooled: { kind: 'uniform', minimum: 4, maximum: 8 },
      },
    };
  },
  tolerance: 2e-6,
});

/** Position in the vocabulary -> slot, of the chosen tokens of row i. */
function slotsOf(indices: NumberArray, i: number, k: number): Map<number, number> {
  return new Map(Array.from(indices.subarray(i * k, (i + 1) * k), (j, slot) => [j, slot]));
}

function exampleShape(draw: Draw) {
  const rows = draw.pick([1, 2, 9]);
  const cols = draw.pick([2, 3, 65, 128]);
  const k = draw.pick([1, Math.min(5, cols - 1), Math.min(16, cols - 1)]);
  const step = cols % 7 === 0 ? 1 : 7; // shares no divisor with cols, so the indices of a row differ
  const values = Array.from({ length: rows * k }, (_, at) => (Math.floor(at / k) + (at % k) * step) % cols);
  return { rows, cols, k, indices: { kind: 'values', values } as const };
}
