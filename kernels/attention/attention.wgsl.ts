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

/** Head dimensions with a variant of their own on GPUs. */
export const gpuHeadDims: readonly number[] = [8, 16, 32, 64];

/** A pass and the head dimensions that it serves. */
interface Choice {
  readonly fits: (headDim: number) => boolean;
  readonly pass: WgslPass;
}

/** The rungs of one kernel. */
interface Rungs {
  readonly plain: WgslPass;
  readonly lane: (target: WgslTarget, rows: Rows) => WgslPass;
  readonly tiled: (rows: Rows, headDim: number) => WgslPass;
  readonly matrix: (target: WgslTarget, headDim: number) => WgslPass | undefined;
}

/** The first pass that fits runs. @param aligned whether rows can be read by vec4; if not, the plain pass runs */
function firstThatFits(
  target: WgslTarget,
  { plain, lane, tiled, matrix }: Rungs,
  aligned: (params: Params) => boolean = () => true,
): readonly WgslPass[] {
  const onLanes = (rows: Rows): Choice => ({
    fits: rows.fits,
    pass: { ...lane(target, rows), variant: `lane ${rows.name}` },
  });
  const onGpu = (headDim: number): Choice => ({
    fits: wanted => wanted === headDim,
    pass: matrix(target, headDim) ?? { ...tiled(registerRows(headDim), headDim), variant: `tiled ${headDim}` },
  });
  const fast = [
    ...(target.profile === 'software' ? [onLanes(registerRows(16))] : gpuHeadDims.map(onGpu)),
    onLanes(arrayRows),
  ];
  const last = { ...plain, variant: 'general' };
  const choose = (p: Params) => (aligned(p) ? fast.find(({ fits }) => fits(p['headDim']!))?.pass : undefined) ?? last;
  return [...fast.map(({ pass }) => pass), last].map(pass => ({
    ...pass,
    workgroups: p => (choose(p) === pass ? pass.workgroups(p) : grid(0)),
  }));
}

export function attentionWgsl(target: WgslTarget): readonly WgslPass[] {
  const rungs = { plain: plainForward(target), lane: laneForward, tiled: tiledForward, matrix: matrixForward };
  const strides = ['strideQ', 'strideKv', 'offsetK', 'offsetV'];
  return firstThatFits(target, rungs, p => strides.every(name => p[name]! % 4 === 0));
}

/**
 * FlashAttention's backward (Dao et al. 2022, arXiv 2205.14135, appendix B.2). With
 * P = exp(scale (q.k - largest) - log sum), dS = P (dO.v - dO.o) = P dO.(v - o), which saves a separate pass for
 * delta = dO.o.
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
