/**
 * Split-K: where C has few tiles and k is long (weight gradients: k counts tokens), slices of k go to different
 * workgroups. A GPU has many more processors than such a C has tiles. Each workgroup writes its sums as f32 to scratch,
 * and a second pass adds the slices up, always in the same order: no atomics, and the same bits every time.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass } from '../kernel.js';
import { grid } from '../wgsl.js';
import { epilogue } from './epilogue.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulVariant } from './variant.js';

/** How far to split a product along k. */
export interface SplitGoal {
  /** Workgroups to aim at: one or two for every processor. */
  readonly workgroups: number;
  /** Smallest depth of a slice that is worth the second pass. */
  readonly minDepth: number;
  /** Largest depth of a slice, a multiple of the tile's: where longer sums would lose digits. */
  readonly maxDepth?: number;
}

export interface TileShape {
  readonly m: number;
  readonly n: number;
  readonly depth: number;
}

/** Depth of a slice: a multiple of the tile's depth. */
function sliceDepth(p: Params, tile: TileShape, goal: SplitGoal): number {
  const tiles = p['batch']! * ceilDivide(p['m']!, tile.m) * ceilDivide(p['n']!, tile.n);
  const least = ceilDivide(p['k']!, goal.maxDepth ?? p['k']!);
  const wanted = Math.max(1, least, Math.min(Math.floor(goal.workgroups / tiles), ceilDivide(p['k']!, goal.minDepth)));
  return ceilDivide(ceilDivide(p['k']!, wanted), tile.depth) * tile.depth;
}

/** Number of slices; 1 where splitting does not pay. */
export function sliceCount(p: Params, tile: TileShape, goal: SplitGoal): number {
  return ceilDivide(p['k']!, sliceDepth(p, tile, goal));
}

const up = (value: string, to: number) => `((${value} + ${to - 1}u) / ${to}u)`;

/** `sliceDepth` in WGSL, in the same integer steps. */
export function sliceDepthWgsl(tile: TileShape, goal: SplitGoal): string {
  return `fn slice_depth() -> u32 {
  let tiles = params.batch * ${up('params.m', tile.m)} * ${up('params.n', tile.n)};
  let least = ${goal.maxDepth === undefined ? '1u' : `max(1u, ${up('params.k', goal.maxDepth)})`};
  let wanted = max(least, min(${goal.workgroups}u / tiles, ${up('params.k', goal.minDepth)}));
  return ${up('((params.k + wanted - 1u) / wanted)', tile.depth)} * ${tile.depth}u;
}`;
}

/**
 * WGSL: where row 0, column 0 of `slice` and `z` starts, and the length of a row, as `partial_at` and
 * `partial_columns`.
 */
export function partialOrigin(tile: TileShape): string {
  return `let partial_columns = ${up('params.n', tile.n)} * ${tile.n}u;
  let partial_at = (group.z * params.batch + z) * (${up('params.m', tile.m)} * ${tile.m}u) * partial_columns;`;
}

/**
 * Elements of all partial sums, [slice, batch, rows, columns]. They are stored in whole tiles, so nobody looks for
 * edges.
 */
function partialElements(p: Params, tile: TileShape, goal: SplitGoal): number {
  const [rows, columns] = [ceilDivide(p['m']!, tile.m) * tile.m, ceilDivide(p['n']!, tile.n) * tile.n];
  return sliceCount(p, tile, goal) * p['batch']! * rows * columns;
}

/** A workgroup for every tile of C; with a split, one for every slice of k, and scratch for its sums. */
export function tileLaunch(tile: TileShape, split: SplitGoal | undefined): Pick<WgslPass, 'workgroups' | 'scratch'> {
  return {
    workgroups(p) {
      const [x, y] = grid(p['batch']! * ceilDivide(p['m']!, tile.m) * ceilDivide(p['n']!, tile.n));
      return [x, y, split ? sliceCount(p, tile, split) : 1];
    },
    ...(split && { scratch: p => partialElements(p, tile, split) }),
  };
}

/** WGSL: the steps of k that a workgroup of `tileLaunch` sums up, from `begin` to `end`. */
export const sliceBounds = (split: SplitGoal | undefined): string =>
  split
    ? 'let begin = group.z * slice_depth();\n  let end = min(begin + slice_depth(), params.k);'
    : 'let begin = 0u;\n  let end = params.k;';

const lanes = 64;

/** Adds the slices up and finishes the rows. `four`: n is a multiple of four. */
export function reduceSlices(variant: MatmulVariant, tile: TileShape, goal: SplitGoal, four: boolean): WgslPass {
  const width = four ? 4 : 1;
  return {
    variant: `reduce of ${tile.m}x${tile.n}${four ? '' : ' scalar'}`,
    body: `${sliceDepthWgsl(tile, goal)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (workgroup_index(group) * ${lanes}u + lane) * ${width}u;
  if (i >= params.batch * params.m * params.n) { return; }
  let depth = slice_depth();
  let slices = (params.k + depth - 1u) / depth;
  let columns = ${up('params.n', tile.n)} * ${tile.n}u;
  let rows = ${up('params.m', tile.m)} * ${tile.m}u;
  let column = i % params.n;
  let at = (i / params.n / params.m * rows + i / params.n % params.m) * columns + column;
  var sum = ${four ? 'vec4f(0.0)' : '0.0'};
  for (var s = 0u; s < slices; s++) { sum += ${four ? 'load4_scratch((at + s * params.batch * rows * columns) / 4u)' : 'load_scratch(at + s * params.batch * rows * columns)'}; }
  ${epilogue(variant, four, 'sum', 'i', 'column')}
}`,
    workgroups: p => grid(ceilDivide(p['batch']! * p['m']! * p['n']!, width * lanes)),
    scratch: p => partialElements(p, tile, goal),
  };
}
