/**
 * Multi-head attention over packed sequences of different lengths, with a prefix mask: key j is visible to the query at
 * position i iff j < prefix or j <= i. So a prompt sees itself in both directions and a response sees the past.
 *
 * Sequences lie one after another in the rows of a buffer; a table says where: six integers per sequence,
 * (queryStart, queryCount, keyStart, keyCount, prefix, position), `position` being that of the first query. The same
 * kernel serves a training pass (queries and keys are the same rows), a prefill, and a decode step (one query against
 * the rows of a cache). A sequence that does not lie in its operands is passed over: it names no row.
 */
import { defineKernel, sizes, given, reads, uniform, writes } from '../kernel.js';
import type { Draw, Fill } from '../kernel.js';
import type { NumberArray } from '../dtype.js';
import { attentionGradWgsl, attentionWgsl } from './attention.wgsl.js';
import { attendRow, dot, mostPosition } from './reference.js';

/** Integers per sequence in the table. */
export const sequenceFields = 6;

interface Sequence {
  readonly queryStart: number;
  readonly queryCount: number;
  readonly keyStart: number;
  readonly keyCount: number;
  readonly prefix: number;
  readonly position: number;
}

/** What a sequence must lie in: rows of the operands, and the most that a sequence has of them. */
type Bounds = Readonly<Record<'queryRows' | 'keyRows' | 'maxQueries' | 'maxKeys', number>>;

/** A sequence of the table; one that lies outside, or is longer than was said, has no rows. */
function sequenceAt(table: NumberArray, s: number, { queryRows, keyRows, maxQueries, maxKeys }: Bounds): Sequence {
  const [queryStart, queryCount, keyStart, keyCount, prefix, position] = table.subarray(
    s * sequenceFields,
    (s + 1) * sequenceFields,
  ) as unknown as [number, number, number, number, number, number];
  const lies = (start: number, count: number, most: number, rows: number) =>
    start >= 0 && count >= 0 && count <= most && start + count <= rows;
  const fits =
    lies(queryStart, queryCount, maxQueries, queryRows) &&
    lies(keyStart, keyCount, maxKeys, keyRows) &&
    prefix >= 0 &&
    position >= 0 &&
    position < mostPosition;
  return fits
    ? { queryStart, queryCount, keyStart, keyCount, prefix, position }
    : { queryStart: 0, queryCount: 0, keyStart: 0, keyCount: 0, prefix: 0, position: 0 };
}

/**
 * Number of leading keys that query `i` (counted within the sequence's queries) sees: the mask is always a prefix of
 * the keys.
 */
function visibleKeys({ keyCount, prefix, position }: Sequence, i: number): number {
  return Math.min(keyCount, Math.max(prefix, position + i + 1));
}

const roundUp = (n: number, multiple: number) => Math.ceil(n / multiple) * multiple;

/** Attention forward: q, k, v to output, and what softmax needs to be computed again. */
export const attentionKernel = defineKernel({
  name: 'attention',
  summary:
    'out[query, head, headDim] = softmax(scale * q k^T + mask) v per sequence and head, scale > 0; stats[query, head, 2] = ' +
    'the largest q . k that the query sees, and log of the sum of exp(scale * (q . k - largest)). q: row stride strideQ, column head * headDim; k and v: row stride strideKv, columns offsetK and ' +
    'offsetV + head * headDim. A query without visible keys gives zeros',
  buffers: { q: reads.float, kv: reads.float, table: reads.index, out: writes.float, stats: writes.wide },
  params: {
    ...sizes('sequences', 'heads', 'headDim', 'strideQ', 'strideKv', 'offsetK', 'offsetV'),
    ...sizes('queryRows', 'keyRows', 'maxQueries', 'maxKeys'),
    scale: 'f32',
  },
  reference({ q, kv, table, out, stats }, params) {
    const { sequences, heads, headDim, strideQ, strideKv, offsetK, offsetV, scale } = params;
    for (let s = 0; s < sequences; s++) {
      const sequence = sequenceAt(table, s, params);
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < sequence.queryCount; i++) {
          const row = sequence.queryStart + i;
          const seen = {
            kv,
            key: (j: number) => (sequence.keyStart + j) * strideKv + h * headDim + offsetK,
            value: offsetV - offsetK,
            visible: visibleKeys(sequence, i),
          };
          const atQ = row * strideQ + h * headDim;
          stats.set(attendRow(q, atQ, seen, scale, out, (row * heads + h) * headDim, headDim), 2 * (row * heads + h));
        }
    }
  },
  cost: ({ sequences, heads, headDim, maxQueries, maxKeys }) => ({
    flops: 4 * sequences * heads * headDim * maxQueries * maxKeys,
    elements: sequences * heads * headDim * (2 * maxQueries + 2 * maxKeys),
  }),
  wasm: ({ sequences, heads, headDim, maxKeys }) => ({
    passes: [
      {
        fn: 'attention',
        units: sequences * heads,
        // keys as panels, four rows of scores, and what is found in them
        threadScratch: 4 * (roundUp(maxKeys, 8) * (headDim + 4) + 12),
      },
    ],
  }),
  wgsl: attentionWgsl,
  example(draw) {
    const sequences = exampleSequences(draw, false);
    const width = sequences.heads * sequences.headDim;
    const strideQ = width + draw.pick([0, 8]);
    const strideKv = 2 * width + draw.pick([0, 8]);
    const example = attentionExample(sequences, { strideQ, strideKv, offsetK: 0, offsetV: width });
    // f32 resolves a probability only as well as its score: keep scores within about 100
    return { ...example, fills: { ...example.fills, q: uniform(-4, 4), kv: uniform(-4, 4) } };
  },
  tolerance: 1e-5,
});

/** Attention backward: gradients of q, k and v from the output and the forward pass's statistics. */
export const attentionGradKernel = defineKernel({
  name: 'attention_grad',
  summary:
    'dqkv[rows, 3, heads, headDim] from qkv (same layout), out and dout[rows, heads, headDim] and stats[rows, heads, 2] of a ' +
    'self-attention pass; every row must belong to exactly one sequence',
  buffers: {
    qkv: reads.float,
    table: reads.index,
    out: reads.float,
    stats: reads.wide,
    dout: reads.float,
    dqkv: writes.float,
  },
  params: { ...sizes('sequences', 'heads', 'headDim', 'queryRows', 'maxQueries'), scale: 'f32' },
  // FlashAttention's backward (Dao et al. 2022, arXiv 2205.14135, appendix B.2): P is recomputed from `stats`, and
  // delta = rowsum(dO * O) replaces the row sum of the softmax gradient.
  reference({ qkv, table, out, stats, dout, dqkv }, { sequences, heads, headDim, queryRows, maxQueries, scale }) {
    const width = heads * headDim;
    const bounds = { queryRows, keyRows: queryRows, maxQueries, maxKeys: maxQueries };
    for (let s = 0; s < sequences; s++) {
      const sequence = sequenceAt(table, s, bounds);
      if (sequence.keyStart !== sequence.queryStart) continue;
      for (let h = 0; h < heads; h++) {
        const qAt = (i: number) => (sequence.queryStart + i) * 3 * width + h * headDim;
        const oAt = (i: number) => (sequence.queryStart + i) * width + h * headDim;
        const dk = new Float64Array(sequence.keyCount * headDim);
        const dv = new Float64Array(sequence.keyCount * headDim);
        for (let i = 0; i < sequence.queryCount; i++) {
          const at = 2 * ((sequence.queryStart + i) * heads + h);
          const delta = dot(dout, oAt(i), out, oAt(i), headDim);
          const dq = new Float64Array(headDim);
          for (let j = 0; j < visibleKeys(sequence, i); j++) {
            const score = dot(qkv, qAt(i), qkv, qAt(j) + width, headDim);
            const p = Math.exp(scale * (score - stats[at]!) - stats[at + 1]!);
            const dScore = p * (dot(dout, oAt(i), qkv, qAt(j) + 2 * width, headDim) - delta) * scale;
            for (let d = 0; d < headDim; d++) {
              dq[d]! += dScore * qkv[qAt(j) + width + d]!;
              dk[j * headDim + d]! += dScore * qkv[qAt(i) + d]!;
              dv[j * headDim + d]! += p * dout[oAt(i) + d]!;
            }
          }
          dqkv.set(dq, qAt(i));
        }
        for (let j = 0; j < sequence.keyCount; j++) {
          dqkv.set(dk.subarray(j * headDim, (j + 1) * headDim), qAt(j) + width);
          dqkv.set(dv.subarray(j * headDim, (j + 1) * headDim), qAt(j) + 2 * width);
        }
      }
    }
  },
  cost: ({ sequences, heads, headDim, maxQueries }) => ({
    flops: 10 * sequences * heads * headDim * maxQueries ** 2,
    elements: 8 * sequences * heads * headDim * maxQueries,
  }),
  wasm: ({ sequences, heads, headDim, maxQueries }) => ({
    passes: [
      {
        fn: 'attention_grad',
        units: sequences * heads,
        // keys and values as panels, P and dS
        threadScratch: 8 * roundUp(maxQueries, 8) * (headDim + roundUp(maxQueries, 8)),
      },
    ],
  }),
  wgsl: attentionGradWgsl,
  example(draw) {
    const sequences = exampleSequences(draw, true);
    const lowest = Math.sqrt(sequences.headDim);
    return attentionGradExample(sequences, uniform(lowest, lowest + 2));
  },
  tolerance: 1e-5,
});

/** Sequences of a test case. */
export interface ExampleSequences {
  readonly heads: number;
  readonly headDim: number;
  readonly table: readonly number[];
  readonly queryRows: number;
  readonly keyRows: number;
  readonly maxQueries: number;
  readonly maxKeys: number;
}

/** A call of attention on these sequences. */
export function attentionExample(
  { heads, headDim, table, queryRows, keyRows, maxQueries, maxKeys }: ExampleSequences,
  columns: Readonly<Record<'strideQ' | 'strideKv' | 'offsetK' | 'offsetV', number>>,
) {
  const sequences = table.length / sequenceFields;
  return {
    params: {
      ...{ sequences, heads, headDim, ...columns, queryRows, keyRows, maxQueries, maxKeys },
      scale: 1 / Math.sqrt(headDim),
    },
    lengths: {
      q: queryRows * columns.strideQ,
      kv: keyRows * columns.strideKv,
      table: table.length,
      out: queryRows * heads * headDim,
      stats: 2 * queryRows * heads,
    },
    fills: { table: given(table) },
  };
}

/** A call of attention_grad: P must stay a probability, so scores are small and `stats` above them. */
export function attentionGradExample({ heads, headDim, table, queryRows, maxQueries }: ExampleSequences, stats: Fill) {
  const out = queryRows * heads * headDim;
  const sequences = table.length / sequenceFields;
  return {
    params: { sequences, heads, headDim, queryRows, maxQueries, scale: 1 / Math.sqrt(headDim) },
    lengths: { qkv: 3 * out, table: table.length, out, stats: 2 * queryRows * heads, dout: out, dqkv: 3 * out },
    fills: { table: given(table), qkv: uniform(-1, 1), stats },
  };
}

/** Random packed sequences; with `self`, queries and keys are the same rows. */
function exampleSequences(draw: Draw, self: boolean): ExampleSequences {
  const sequences = draw.integer(1, 4);
  const heads = draw.pick([1, 2, 4]);
  const headDim = draw.pick([4, 8, 16, 32]);
  const table: number[] = [];
  let queryRows = 0;
  let keyRows = 0;
  let maxQueries = 1;
  let maxKeys = 1;
  for (let s = 0; s < sequences; s++) {
    const keyCount = draw.pick([1, 2, 7, 16, 33, 60]);
    const queryCount = self ? keyCount : draw.pick([1, keyCount, draw.integer(1, keyCount)]);
    const prefix = draw.integer(0, keyCount);
    table.push(queryRows, queryCount, keyRows, keyCount, prefix, keyCount - queryCount);
    queryRows += queryCount;
    keyRows += keyCount;
    maxQueries = Math.max(maxQueries, queryCount);
    maxKeys = Math.max(maxKeys, keyCount);
  }
  return { heads, headDim, table, queryRows, keyRows, maxQueries, maxKeys };
}
