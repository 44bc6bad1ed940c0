/**
 * The smallest shapes that select each attention pass of GPUs and reach its edges. Run on an adapter, each is compared
 * with the reference, and the pass that ran with the one meant. The same form as the cases of matrix products.
 */
import type { DType } from '../dtype.js';
import { given, uniform } from '../kernel.js';
import type { Example, Kernel, WgslTarget } from '../kernel.js';
import { attentionGradKernel, attentionKernel } from './attention.js';
import { gpuHeadDims } from './attention.wgsl.js';
import { matrixForward, matrixGradKey, matrixGradQuery } from './3-matrix.wgsl.js';

/** A call of an attention kernel that tests a way of computing it. */
export interface AttentionCase {
  readonly kernel: Kernel;
  readonly dtypes: Readonly<Record<string, DType>>;
  readonly example: Example<string, string>;
  /** `variant` of a pass that must have been launched. */
  readonly selects: string;
}

/**
 * (rows, prefix) of the sequences of a case: one row, a tile and one more, more than a block with prompt and response.
 */
const sequences = [
  [1, 0],
  [33, 33],
  [70, 20],
  [64, 0],
] as const;

/**
 * The cases of `target`; none for the `software` profile, which has one lane per row in any case.
 * @param headDims all that GPUs have a variant for, if not given
 */
export function attentionCases(
  target: Omit<WgslTarget, 'dtypes'>,
  headDims: readonly number[] = gpuHeadDims,
): AttentionCase[] {
  if (target.profile === 'software') return [];
  return headDims.flatMap(headDim =>
    (['f32', 'f16'] as const).flatMap(dtype => {
      const forward = dtypesOf(attentionKernel, dtype);
      const backward = dtypesOf(attentionGradKernel, dtype);
      const tiled = `tiled ${headDim}`;
      const name = (write: typeof matrixForward, dtypes: Readonly<Record<string, DType>>) =>
        write({ ...target, dtypes }, headDim)?.variant ?? tiled;
      const gradPasses = new Set([name(matrixGradQuery, backward), name(matrixGradKey, backward)]);
      return [
        {
          kernel: attentionKernel,
          dtypes: forward,
          example: forwardExample(headDim),
          selects: name(matrixForward, forward),
        },
        ...[...gradPasses].map(selects => ({
          kernel: attentionGradKernel,
          dtypes: backward,
          example: backwardExample(headDim),
          selects,
        })),
      ];
    }),
  );
}

function dtypesOf(kernel: Pick<Kernel, 'buffers'>, float: DType): Record<string, DType> {
  const dtype = { float, wide: 'f32', index: 'i32' } as const;
  return Object.fromEntries(Object.entries(kernel.buffers).map(([name, { kind }]) => [name, dtype[kind]]));
}

const heads = 2;
const rows = sequences.reduce((sum, [length]) => sum + length, 0);
const longest = Math.max(...sequences.map(([length]) => length));

function table(): number[] {
  let start = 0;
  return sequences.flatMap(([length, prefix]) => {
    start += length;
    return [start - length, length, start - length, length, prefix, 0];
  });
}

/** Queries, keys and values as a training pass has them, side by side in the columns of one buffer. */
function forwardExample(headDim: number): Example<string, string> {
  const width = heads * headDim;
  return {
    params: {
      sequences: sequences.length,
      heads,
      headDim,
      strideQ: 3 * width,
      strideKv: 3 * width,
      offsetK: width,
      offsetV: 2 * width,
      maxQueries: longest,
      maxKeys: longest,
      scale: 1 / Math.sqrt(headDim),
    },
    lengths: {
      q: rows * 3 * width,
      kv: rows * 3 * width,
      table: 6 * sequences.length,
      out: rows * width,
      lse: rows * heads,
    },
    fills: { table: given(table()) },
  };
}

function backwardExample(headDim: number): Example<string, string> {
  const width = heads * headDim;
  return {
    params: { sequences: sequences.length, heads, headDim, maxQueries: longest, scale: 1 / Math.sqrt(headDim) },
    lengths: {
      qkv: rows * 3 * width,
      table: 6 * sequences.length,
      out: rows * width,
      lse: rows * heads,
      dout: rows * width,
      dqkv: rows * 3 * width,
    },
    fills: {
      table: given(table()),
      // exp(score - lse) must stay a probability: keep scores small and lse above them
      qkv: uniform(-1, 1),
      lse: uniform(Math.sqrt(headDim) + 3, Math.sqrt(headDim) + 4),
    },
  };
}
