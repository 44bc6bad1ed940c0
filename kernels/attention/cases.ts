/**
 * The smallest shapes that select each attention pass of GPUs and reach its edges. Run on an adapter, each is compared
 * with the reference, and the pass that ran with the one meant. The same form as the cases of matrix products.
 */
import type { DType } from '../dtype.js';
import { uniform } from '../kernel.js';
import type { Example, Kernel, WgslTarget } from '../kernel.js';
import { attentionExample, attentionGradExample, attentionGradKernel, attentionKernel } from './attention.js';
import type { ExampleSequences } from './attention.js';
import { gpuHeadDims, wholeRows } from './attention.wgsl.js';
import { matrixForward, matrixGradKey, matrixGradQuery } from './3-matrix.wgsl.js';

/** A call of an attention kernel that tests a way of computing it. */
export interface AttentionCase {
  readonly kernel: Kernel;
  readonly dtypes: Readonly<Record<string, DType>>;
  readonly example: Example<string, string>;
  /** `variant` of a pass that must have been launched. */
  readonly selects: string;
}

/** Of ways with f16 operands in products: every share and slope is rounded once more than by the reference. */
export const matrixTolerance = 4e-3;

/**
 * (rows, prefix) of the sequences of a case: one row, a tile and one more, more than a block with prompt and response.
 * Where scores of whole rows are kept, there is one of as many keys as that takes, and else of more.
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
      const whole = wholeRows.flatMap(keys => {
        const selects = matrixForward({ ...target, dtypes: forward }, headDim, keys)?.variant;
        return selects === undefined ? [] : [{ selects, longest: [keys, 5] as const }];
      });
      const beyond = whole.length > 0 ? ([Math.max(...wholeRows) + 1, 5] as const) : undefined;
      const gradPasses = new Set([name(matrixGradQuery, backward), name(matrixGradKey, backward)]);
      const caseOf = (kernel: Kernel, rest: Omit<AttentionCase, 'kernel'>): AttentionCase => ({
        kernel: rest.selects === tiled ? kernel : { ...kernel, tolerance: matrixTolerance },
        ...rest,
      });
      return [
        ...[...whole, { selects: name(matrixForward, forward), longest: beyond }].map(({ selects, longest }) =>
          caseOf(attentionKernel, { dtypes: forward, example: forwardExample(headDim, longest), selects }),
        ),
        ...[...gradPasses].map(selects =>
          caseOf(attentionGradKernel, {
            dtypes: backward,
            example: backwardExample(headDim),
            selects,
          }),
        ),
      ];
    }),
  );
}

function dtypesOf(kernel: Pick<Kernel, 'buffers'>, float: DType): Record<string, DType> {
  const dtype = { float, wide: 'f32', index: 'i32' } as const;
  return Object.fromEntries(Object.entries(kernel.buffers).map(([name, { kind }]) => [name, dtype[kind]]));
}

/** Self-attention of all sequences, and of one more. */
function sequencesOf(headDim: number, more?: readonly [number, number]): ExampleSequences {
  let rows = 0;
  const all = more ? [...sequences, more] : sequences;
  const table = all.flatMap(([length, prefix]) => {
    rows += length;
    return [rows - length, length, rows - length, length, prefix, 0];
  });
  const longest = Math.max(...all.map(([length]) => length));
  return { heads: 2, headDim, table, queryRows: rows, keyRows: rows, maxQueries: longest, maxKeys: longest };
}

/** Queries, keys and values as a training pass has them, side by side in the columns of one buffer. */
function forwardExample(headDim: number, more?: readonly [number, number]): Example<string, string> {
  const width = 2 * headDim;
  const columns = { strideQ: 3 * width, strideKv: 3 * width, offsetK: width, offsetV: 2 * width };
  return attentionExample(sequencesOf(headDim, more), columns);
}

function backwardExample(headDim: number): Example<string, string> {
  const lowest = Math.sqrt(headDim) + 3;
  return attentionGradExample(sequencesOf(headDim), uniform(lowest, lowest + 1));
}
