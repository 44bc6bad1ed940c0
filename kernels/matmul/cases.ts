/**
 * Every way of multiplying matrices that a target can run, with the smallest shapes that select it and reach its edges.
 * Run on an adapter, each is compared with the reference, and the pass that ran with the one meant.
 */
import type { DType } from '../dtype.js';
import type { Example, Kernel, WgslTarget } from '../kernel.js';
import { leastMachine } from '../machine.js';
import { aluBlock } from './2-tiled.wgsl.js';
import type { AluTile } from './2-tiled.wgsl.js';
import { defineMatmul, exampleProduct } from './matmul.js';
import type { ProductSize } from './matmul.js';
import { matrixUnit, tileName } from './matmul.wgsl.js';
import { elementsPerLoad } from './3-matrix.wgsl.js';
import type { MatrixTile } from './3-matrix.wgsl.js';
import { tuningRows } from './tuning.js';
import type { Tile, TuningRow } from './tuning.js';
import { matmulVariants } from './variant.js';
import type { MatmulVariant } from './variant.js';

/** A call of a matmul variant that tests a way of computing it. */
export interface MatmulCase {
  /** A kernel that knows one tile only, so that small shapes select it too. */
  readonly kernel: Kernel;
  readonly dtypes: Readonly<Record<'a' | 'b' | 'bias' | 'residual' | 'c', DType>>;
  readonly example: Example<string, string>;
  /** `variant` of the pass that must have been launched. */
  readonly selects: string;
}

type Target = Omit<WgslTarget, 'dtypes'>;
/** Shapes for a tile, with what its name gets appended where they select it. */
interface Shapes {
  readonly suffix: string;
  readonly split: boolean;
  readonly sizes: readonly ProductSize[];
}

/** Every tile that the tuning table has for a target's adapter. */
export function tilesOf({ machine = leastMachine }: Target): Tile[] {
  const tiles = new Map<string, Tile>();
  for (const { tile } of (['nn', 'nt', 'tn'] as const).flatMap(layout => tuningRows(machine.adapter, layout)))
    tiles.set(tileName(tile), tile);
  return [...tiles.values()];
}

/**
 * The cases of those tiles that `target` can run; none for the `software` profile, which has no choice of tiles.
 * @param tiles all that the table has for the adapter, if not given
 */
export function matmulCases(target: Target, tiles: readonly Tile[] = tilesOf(target)): MatmulCase[] {
  if (target.profile === 'software') return [];
  return tiles.flatMap(tile => matmulVariants.flatMap(variant => casesOf(target, tile, variant)));
}

function casesOf(target: Target, tile: Tile, variant: MatmulVariant): MatmulCase[] {
  const { machine = leastMachine } = target;
  const plain = !variant.bias && variant.activation === 'none' && !variant.residual;
  // C of another type than A and B: gradients of f16 weights are f32
  const types = [['f32', 'f32'], ['f16', 'f16'], ...(plain ? [['f16', 'f32'] as const] : [])] as const;
  return types.flatMap(([operand, result]) => {
    const dtypes = { a: operand, b: operand, bias: result, residual: result, c: result };
    let shapes: readonly Shapes[];
    if (tile.kind === 'alu') shapes = aluShapes(variant, tile);
    else {
      const unit = matrixUnit({ ...target, dtypes }, machine, tile);
      if (!unit) return [];
      shapes = matrixShapes(variant, tile, elementsPerLoad(unit.config));
    }
    return shapes.flatMap(({ suffix, split, sizes }) => {
      const row: TuningRow = {
        adapter: machine.adapter,
        bucket: 'any',
        tile,
        ...(split && { split: { workgroups: 64, minDepth: tile.depth } }),
      };
      const kernel = defineMatmul(variant, [row]) as unknown as Kernel;
      return sizes.map(size => ({
        kernel,
        dtypes,
        example: exampleProduct(size, size.batch < 3), // of a batch of two B is shared
        selects: `${tileName(tile)}${suffix}${split ? ' split' : ''}`,
      }));
    });
  });
}

/**
 * What the rows of A and B in memory are made of: `layout` says which of m, n and k must be multiples of the length of
 * a read.
 */
function ragged({ layout }: MatmulVariant, multiple: number) {
  const free = { m: 3, n: multiple, k: 3 };
  return layout === 'tn' ? { ...free, m: multiple } : { ...free, k: multiple };
}

function aluShapes(variant: MatmulVariant, { m, n, depth }: AluTile): readonly Shapes[] {
  const four = ragged(variant, 4);
  const deep = 3 * depth;
  return [
    {
      suffix: '',
      split: false,
      sizes: [
        { m, n, k: depth, batch: 1 },
        { m: m + four.m, n: n + four.n, k: depth + four.k, batch: 2 },
      ],
    },
    {
      suffix: ' scalar',
      split: false,
      sizes: [
        { m: 1, n: 1, k: 1, batch: 1 },
        { m: m + 3, n: n + 5, k: depth + 1, batch: 3 },
      ],
    },
    { suffix: ' long', split: false, sizes: [{ m: four.m, n: n + four.n, k: aluBlock + depth + four.k, batch: 1 }] },
    { suffix: ' scalar long', split: false, sizes: [{ m: m + 1, n: 3, k: aluBlock + 1, batch: 2 }] },
    { suffix: '', split: true, sizes: [{ m: four.m, n: n + four.n, k: deep + four.k, batch: 1 }] },
    { suffix: ' scalar', split: true, sizes: [{ m: m + 1, n: 3, k: deep + 5, batch: 3 }] },
  ];
}

function matrixShapes(variant: MatmulVariant, { kind, m, n, depth }: MatrixTile, perLoad: number): readonly Shapes[] {
  const whole = { m: 2 * m, n: 2 * n, k: 2 * depth, batch: 2 };
  if (kind === 'direct')
    return [
      { suffix: '', split: false, sizes: [{ m, n, k: depth, batch: 1 }, whole] },
      { suffix: '', split: true, sizes: [{ m, n, k: 4 * depth, batch: 1 }] },
    ];
  const edge = ragged(variant, perLoad);
  const beyond = { m: m + edge.m, n: n + edge.n };
  return [
    {
      suffix: '',
      split: false,
      sizes: [
        { m, n, k: depth, batch: 1 },
        { ...beyond, k: 3 * depth, batch: 3 },
      ],
    },
    { suffix: ' ragged', split: false, sizes: [{ ...beyond, k: 2 * depth + edge.k, batch: 2 }] },
    { suffix: '', split: true, sizes: [{ ...beyond, k: 4 * depth, batch: 1 }] },
    { suffix: ' ragged', split: true, sizes: [{ m, n, k: 3 * depth + edge.k, batch: 3 }] },
  ];
}
