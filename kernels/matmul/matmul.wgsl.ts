/**
 * WGSL of matrix multiplication: all ways of doing it that a target may need, of which every launch takes one. The ladder, a file
 * per rung: software.wgsl.ts (registers only), alu.wgsl.ts (workgroup memory), sgmat.wgsl.ts (subgroup matrices), and
 * split.wgsl.ts, which cuts a long k into slices for either of the last two.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { leastMachine, trainingMatrices } from '../machine.js';
import type { WgslMachine } from '../machine.js';
import { grid } from '../wgsl.js';
import { alignedToFour, aluLanes, aluName, aluPass, aluWorkgroupBytes } from './alu.wgsl.js';
import type { AluTile } from './alu.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulVariant } from './matmul.js';
import {
  alignedToLoads,
  directPass,
  matrixLanes,
  matrixName,
  matrixWorkgroupBytes,
  stagedPass,
  tileSuits,
  wholeTiles,
} from './sgmat.wgsl.js';
import type { MatrixTile, MatrixUnit } from './sgmat.wgsl.js';
import { softwarePasses } from './software.wgsl.js';
import { reduceSlices, sliceCount } from './split.wgsl.js';
import type { SplitGoal } from './split.wgsl.js';
import { bucketOf, tuningRows } from './tuning.js';
import type { Tile, TuningRow } from './tuning.js';

type MatmulTarget = WgslTarget<'a' | 'b' | 'bias' | 'residual' | 'c'>;

/** One way of computing a product: passes that run together. */
interface Way {
  /** Shapes that it may be used for; how fast it is there is the table's business. */
  readonly fits: (p: Params) => boolean;
  readonly passes: readonly WgslPass[];
}

/**
 * The passes of every way that `target` may need; exactly one way's passes have workgroups for any given params.
 * @param rows instead of the tuning table's: benchmarks and tests choose a tile by this
 */
export function matmulWgsl(
  variant: MatmulVariant,
  target: MatmulTarget,
  rows?: readonly TuningRow[],
): readonly WgslPass[] {
  if (target.profile === 'software') return softwarePasses(variant, target);
  const { machine = leastMachine } = target;
  const table = rows ?? tuningRows(machine.adapter, variant.layout);
  const known = new Map<string, readonly Way[]>();
  const candidates = table.map(row => {
    const name = JSON.stringify([row.tile, row.split]);
    let ways = known.get(name);
    if (!ways) known.set(name, (ways = waysOf(variant, target, machine, row)));
    return { bucket: row.bucket, ways };
  });
  const choose = (p: Params): Way => {
    const bucket = bucketOf(p);
    for (const row of candidates) {
      if (row.bucket !== bucket && row.bucket !== 'any') continue;
      const way = row.ways.find(({ fits }) => fits(p));
      if (way) return way;
    }
    throw new Error(
      `no way to multiply ${variant.layout} ${JSON.stringify(p)} in the tuning table: the rows of \`default\` must end with one for any bucket`,
    );
  };
  // the passes of a launch are asked one after the other, with the same object
  let last: { readonly params: Params; readonly way: Way } | undefined;
  const chosen = (p: Params) => (last?.params === p ? last : (last = { params: p, way: choose(p) })).way;
  return [...known.values()].flat().flatMap(way =>
    way.passes.map((pass): WgslPass => ({
      ...pass,
      workgroups: p => (chosen(p) === way ? pass.workgroups(p) : grid(0)),
      ...(pass.scratch && { scratch: p => (chosen(p) === way ? pass.scratch!(p) : 0) }),
    })),
  );
}

/** The ways in which a tile can be used on a machine, the fastest first; none if the machine cannot run it. */
function waysOf(variant: MatmulVariant, target: MatmulTarget, machine: WgslMachine, { tile, split }: TuningRow): Way[] {
  if (tile.kind === 'alu') return aluWays(variant, machine, tile, split);
  const unit = matrixUnit(target, machine, tile);
  if (!unit) return [];
  return matrixWays(variant, tile, unit, split);
}

const isSplit = (p: Params, tile: Tile, split: SplitGoal) => sliceCount(p, tile, split) > 1;

function aluWays(variant: MatmulVariant, machine: WgslMachine, tile: AluTile, split: SplitGoal | undefined): Way[] {
  if (aluLanes(tile) > machine.workgroupLanes || aluWorkgroupBytes(tile) > machine.workgroupMemory) return [];
  return [true, false].flatMap((four): Way[] => {
    const aligned = (p: Params) => !four || (alignedToFour(variant, p) && p['k']! >= 4);
    return [
      ...(split
        ? [
            {
              fits: (p: Params) => isSplit(p, tile, split) && aligned(p),
              passes: [aluPass(variant, tile, four, split), ...reduces(variant, tile, split)],
            },
          ]
        : []),
      { fits: aligned, passes: [aluPass(variant, tile, four)] },
    ];
  });
}

function matrixWays(variant: MatmulVariant, tile: MatrixTile, unit: MatrixUnit, split: SplitGoal | undefined): Way[] {
  const aligned = (p: Params) => alignedToLoads(variant, unit.config, p);
  const whole = (p: Params) => p['k']! % tile.depth === 0;
  const kinds: readonly Pick<Way & { make(goal?: SplitGoal): WgslPass }, 'fits' | 'make'>[] =
    tile.kind === 'direct'
      ? [{ fits: p => wholeTiles(tile, p), make: goal => directPass(variant, tile, unit, goal) }]
      : [
          { fits: p => whole(p), make: goal => stagedPass(variant, tile, unit, false, goal) },
          { fits: () => true, make: goal => stagedPass(variant, tile, unit, true, goal) },
        ];
  return kinds.flatMap(({ fits, make }): Way[] => [
    ...(split
      ? [
          {
            fits: (p: Params) => isSplit(p, tile, split) && aligned(p) && fits(p),
            passes: [make(split), ...reduces(variant, tile, split)],
          },
        ]
      : []),
    { fits: p => aligned(p) && fits(p), passes: [make()] },
  ]);
}

/** Both widths of the second pass; the one that n allows runs. */
function reduces(variant: MatmulVariant, tile: Tile, split: SplitGoal): readonly WgslPass[] {
  return [true, false].map(four => {
    const pass = reduceSlices(variant, tile, split, four);
    return { ...pass, workgroups: p => ((p['n']! % 4 === 0) === four ? pass.workgroups(p) : grid(0)) };
  });
}

/**
 * The matrices to build a tile from: the largest that divide its parts. Undefined if the profile or the machine has none for the
 * operands' type, or too little room.
 */
export function matrixUnit(target: MatmulTarget, machine: WgslMachine, tile: MatrixTile): MatrixUnit | undefined {
  const { a, b, c } = target.dtypes;
  const { min, max } = machine.subgroupSize;
  if (target.profile !== 'sgmat' || a !== b || target.halfStorage === 'packed' || max === 0) return undefined;
  const [config] = trainingMatrices(machine, a)
    .filter(config => tileSuits(tile, config))
    .sort((x, y) => y.M * y.N * y.K - x.M * x.N * x.K);
  if (!config) return undefined;
  const unit = { config, lanes: max, varies: min !== max, storesF32: c === 'f32' };
  const fits =
    matrixLanes(tile, unit) <= machine.workgroupLanes && matrixWorkgroupBytes(tile, unit) <= machine.workgroupMemory;
  return fits ? unit : undefined;
}

/** Name of a tile as it begins the `variant` of its passes. */
export function tileName(tile: Tile): string {
  return tile.kind === 'alu' ? aluName(tile) : matrixName(tile);
}
