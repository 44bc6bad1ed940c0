/**
 * WGSL of matrix multiplication: every way of doing it that a target may need. A launch takes one of them. The ladder
 * has a file per rung: 1-registers.wgsl.ts, 2-tiled.wgsl.ts (workgroup memory) and 3-matrix.wgsl.ts (subgroup
 * matrices). split.wgsl.ts cuts a long k into slices for the last two. gpu.md explains them.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { leastMachine, trainingMatrices } from '../machine.js';
import type { WgslMachine } from '../machine.js';
import { grid } from '../wgsl.js';
import { softwarePasses } from './1-registers.wgsl.js';
import { aluBlock, aluLanes, aluName, aluPass, aluWorkgroupBytes } from './2-tiled.wgsl.js';
import {
  directPass,
  elementsPerLoad,
  matrixBlock,
  matrixLanes,
  matrixName,
  matrixWorkgroupBytes,
  stagedPass,
  tileSuits,
  wholeTiles,
} from './3-matrix.wgsl.js';
import type { MatrixTile, MatrixUnit } from './3-matrix.wgsl.js';
import { rowsAreMultiples } from './epilogue.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import { reduceSlices, sliceCount } from './split.wgsl.js';
import type { SplitGoal } from './split.wgsl.js';
import { bucketOf, tuningRows } from './tuning.js';
import type { Tile, TuningRow } from './tuning.js';
import type { MatmulVariant } from './variant.js';

type MatmulTarget = WgslTarget<'a' | 'b' | 'bias' | 'residual' | 'c'>;

/** One way of computing a product: passes that run together. */
interface Way {
  /** Shapes that it is right for. Where it is fast, the table says. */
  readonly fits: (p: Params) => boolean;
  readonly passes: readonly WgslPass[];
}

/**
 * The passes of every way that `target` may need. For given params exactly one way's passes have workgroups.
 * @param rows replaces the tuning table: benchmarks and tests choose a tile with it
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
      `The tuning table has no row for ${variant.layout} ${JSON.stringify(p)}: end the rows of \`default\` with one for any bucket.`,
    );
  };
  return [...known.values()].flat().flatMap(way =>
    way.passes.map((pass): WgslPass => ({
      ...pass,
      workgroups: p => (choose(p) === way ? pass.workgroups(p) : grid(0)),
      ...(pass.scratch && { scratch: p => (choose(p) === way ? pass.scratch!(p) : 0) }),
    })),
  );
}

/** The ways to use a tile on a machine, fastest first; none if the machine cannot run it. */
function waysOf(variant: MatmulVariant, target: MatmulTarget, machine: WgslMachine, { tile, split }: TuningRow): Way[] {
  const unit = tile.kind === 'alu' ? undefined : matrixUnit(target, machine, tile);
  const cut = unit ? { workgroups: 0, minDepth: 1, ...split, maxDepth: matrixBlock * unit.config.K } : split;
  return makersOf(variant, target, machine, tile).flatMap(({ fits, make }): Way[] => [
    ...(cut
      ? [
          {
            fits: (p: Params) => sliceCount(p, tile, cut) > 1 && fits(p),
            passes: [make(cut), ...reduces(variant, tile, cut)],
          },
        ]
      : []),
    { fits, passes: [make()] },
  ]);
}

/** A pass that computes a product, whole or in slices of k. */
interface Maker {
  readonly fits: (p: Params) => boolean;
  readonly make: (split?: SplitGoal) => WgslPass;
}

function makersOf(variant: MatmulVariant, target: MatmulTarget, machine: WgslMachine, tile: Tile): readonly Maker[] {
  if (tile.kind === 'alu') {
    if (aluLanes(tile) > machine.workgroupLanes || aluWorkgroupBytes(tile) > machine.workgroupMemory) return [];
    const fours = (p: Params) => rowsAreMultiples(variant, 4, p) && p['k']! >= 4;
    return [true, false].flatMap(four =>
      [false, true].map((long): Maker => ({
        fits: p => (!four || fours(p)) && p['k']! > aluBlock === long,
        make: split => aluPass(variant, tile, { four, long: long || split !== undefined }, split),
      })),
    );
  }
  const unit = matrixUnit(target, machine, tile);
  if (!unit) return [];
  const aligned = (p: Params) => p['k']! > 0 && rowsAreMultiples(variant, elementsPerLoad(unit.config), p);
  if (tile.kind === 'direct')
    return [{ fits: p => aligned(p) && wholeTiles(tile, p), make: split => directPass(variant, tile, unit, split) }];
  return [
    {
      fits: p => aligned(p) && p['k']! % tile.depth === 0,
      make: split => stagedPass(variant, tile, unit, false, split),
    },
    { fits: aligned, make: split => stagedPass(variant, tile, unit, true, split) },
  ];
}

/** The second pass, by vec4 and by single elements: n decides which one runs. */
function reduces(variant: MatmulVariant, tile: Tile, split: SplitGoal): readonly WgslPass[] {
  return [true, false].map(four => {
    const pass = reduceSlices(variant, tile, split, four);
    return { ...pass, workgroups: p => ((p['n']! % 4 === 0) === four ? pass.workgroups(p) : grid(0)) };
  });
}

/**
 * The matrices to build a tile from: the largest that divide it. Undefined if the profile or the machine has none for
 * the operands' type, or too little workgroup memory.
 */
export function matrixUnit(target: MatmulTarget, machine: WgslMachine, tile: MatrixTile): MatrixUnit | undefined {
  const { a, b, c } = target.dtypes;
  const { min, max } = machine.subgroupSize;
  if (target.profile !== 'sgmat' || a !== b || max === 0) return undefined;
  const [config] = trainingMatrices(machine, a)
    .filter(config => tileSuits(tile, config))
    .sort((x, y) => y.M * y.N * y.K - x.M * x.N * x.K);
  if (!config) return undefined;
  const unit = { config, lanes: max, varies: min !== max, storesF32: c === 'f32' };
  const fits =
    matrixLanes(tile, unit) <= machine.workgroupLanes && matrixWorkgroupBytes(tile, unit) <= machine.workgroupMemory;
  return fits ? unit : undefined;
}

/** Name of a tile; the `variant` of its passes begins with it. */
export function tileName(tile: Tile): string {
  return tile.kind === 'alu' ? aluName(tile) : matrixName(tile);
}
