/**
 * WGSL of attention: which rung a launch takes. The ladder has a file per rung: 0-plain (any shape), 1-registers (a
 * lane per row), 2-tiled (workgroup memory), 3-matrix (subgroup matrices). rows.wgsl.ts holds what a lane does with its
 * row.
 *
 * A GPU takes 3 or 2 for the head dimensions that models use, with a variant for each. A software adapter takes rung 1,
 * in registers for head dimension 16 (the presets') and in arrays for the others: arrays make a launch 2x slower there,
 * but unrolled text takes lavapipe's compiler seconds per variant.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { grid } from '../wgsl.js';
import { plainForward, plainGrad } from './0-plain.wgsl.js';
import { laneForward, laneGradKey, laneGradQuery } from './1-registers.wgsl.js';
import { tiledForward, tiledGradKey, tiledGradQuery } from './2-tiled.wgsl.js';
import { matrixForward, matrixGradKey, matrixGradQuery } from './3-matrix.wgsl.js';
import { arrayRows, registerRows } from './rows.wgsl.js';
import type { Rows } from './rows.wgsl.js';

type Params = Readonly<Record<string, number>>;

/** Keys up to which scores of whole rows are kept, if workgroup memory has room for them. */
export const wholeRows: readonly number[] = [128, 256];

/** Head dimensions with a variant of their own on GPUs. */
export const gpuHeadDims: readonly number[] = [8, 16, 32, 64];

/** A pass and what it serves. */
interface Choice {
  readonly fits: (params: Params) => boolean;
  readonly pass: WgslPass;
}

/** The rungs of one kernel. */
interface Rungs {
  readonly plain: WgslPass;
  readonly lane: (target: WgslTarget, rows: Rows) => WgslPass;
  readonly tiled: (rows: Rows, headDim: number) => WgslPass;
  /** @param keys see `wholeRows` */
  readonly matrix: (target: WgslTarget, headDim: number, keys?: number) => WgslPass | undefined;
  readonly wholeRows?: readonly number[];
}

/** The first pass that fits runs. @param aligned whether rows can be read by vec4; if not, the plain pass runs */
function firstThatFits(
  target: WgslTarget,
  { plain, lane, tiled, matrix, wholeRows: most = [] }: Rungs,
  aligned: (params: Params) => boolean = () => true,
): readonly WgslPass[] {
  const onLanes = (rows: Rows): Choice => ({
    fits: p => rows.fits(p['headDim']!),
    pass: { ...lane(target, rows), variant: `lane ${rows.name}` },
  });
  const onGpu = (headDim: number): Choice[] => {
    const whole = most.flatMap(keys => {
      const pass = matrix(target, headDim, keys);
      return pass ? [{ fits: (p: Params) => p['headDim'] === headDim && p['maxKeys']! <= keys, pass }] : [];
    });
    const pass = matrix(target, headDim) ?? { ...tiled(registerRows(headDim), headDim), variant: `tiled ${headDim}` };
    return [...whole, { fits: p => p['headDim'] === headDim, pass }];
  };
  const fast = [
    ...(target.profile === 'software' ? [onLanes(registerRows(16))] : gpuHeadDims.flatMap(onGpu)),
    onLanes(arrayRows),
  ];
  const last = { ...plain, variant: 'general' };
  const choose = (p: Params) => (aligned(p) ? fast.find(({ fits }) => fits(p))?.pass : undefined) ?? last;
  return [...fast.map(({ pass }) => pass), last].map(pass => ({
    ...pass,
    workgroups: p => (choose(p) === pass ? pass.workgroups(p) : grid(0)),
    ...(pass.scratch && { scratch: p => (choose(p) === pass ? pass.scratch!(p) : 0) }),
  }));
}

export function attentionWgsl(target: WgslTarget): readonly WgslPass[] {
  const rungs = {
    plain: plainForward(target),
    lane: laneForward,
    tiled: tiledForward,
    matrix: matrixForward,
    wholeRows,
  };
  const strides = ['strideQ', 'strideKv', 'offsetK', 'offsetV'];
  return firstThatFits(target, rungs, p => strides.every(name => p[name]! % 4 === 0));
}

/**
 * FlashAttention's backward (Dao et al. 2022, arXiv 2205.14135, appendix B.2). With
 * P = exp(scale (q.k - largest) - log sum), dS = P (dO.v - dO.o) = P dO.(v - o), which saves a separate pass for
 * delta = dO.o. On a GPU the first pass leaves it in scratch to the second.
 */
export function attentionGradWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    ...firstThatFits(target, {
      plain: plainGrad(target, 'query'),
      lane: laneGradQuery,
      tiled: tiledGradQuery,
      matrix: matrixGradQuery,
    }),
    ...firstThatFits(target, {
      plain: plainGrad(target, 'key'),
      lane: laneGradKey,
      tiled: tiledGradKey,
      matrix: matrixGradKey,
    }),
  ];
}
