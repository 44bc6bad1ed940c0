/**
 * Which tile suits which shape on which adapter: rows of tuning-table.ts, never a guess or a trial at start-up. `npm
 * run bench:tune` measures all candidates on the adapter at hand and writes its rows.
 */
import type { AdapterClass } from '../machine.js';
import type { AluTile } from './2-tiled.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulLayout } from './variant.js';
import type { MatrixTile } from './3-matrix.wgsl.js';
import type { SplitGoal } from './split.wgsl.js';
import { tuningTable } from './tuning-table.js';

/** How a GPU divides a product: over threads, or over subgroup matrices. */
export type Tile = AluTile | MatrixTile;

/**
 * Shapes that behave alike. `few-rows`: C has at most 32 rows (decoding). Else by the elements of C, over all matrices
 * of a batch: `small` below 2^18, `medium` below 2^22, `large`. `-deep`: k is 2048 or more, as in weight gradients,
 * where k counts tokens.
 */
export const buckets = ['few-rows', 'small', 'small-deep', 'medium', 'medium-deep', 'large'] as const;
/** Names in `buckets`. */
export type Bucket = (typeof buckets)[number];

/** Which tile an adapter takes for a layout and a bucket of shapes. */
export interface TuningRow {
  readonly adapter: AdapterClass;
  /** Any layout if not given. */
  readonly layout?: MatmulLayout;
  readonly bucket: Bucket | 'any';
  readonly tile: Tile;
  /** Cuts k into slices where C has fewer tiles than this asks for. */
  readonly split?: SplitGoal;
  /** Adapter and GFLOP/s by which `bench:tune` chose the row. Rows without it were derived by hand. */
  readonly measured?: string;
}

/** The bucket of a product of these sizes. */
export function bucketOf({ batch, m, n, k }: Params): Bucket {
  if (batch! * m! <= 32) return 'few-rows';
  const elements = batch! * m! * n!;
  if (elements >= 2 ** 22) return 'large';
  const size = elements < 2 ** 18 ? 'small' : 'medium';
  return k! >= 2048 ? `${size}-deep` : size;
}

/** Where each class looks for rows, in order. */
const fallback: Readonly<Record<AdapterClass, readonly AdapterClass[]>> = {
  'nvidia-hopper': ['nvidia-hopper', 'nvidia', 'default'],
  nvidia: ['nvidia', 'default'],
  amd: ['amd', 'default'],
  intel: ['intel', 'default'],
  apple: ['apple', 'default'],
  default: ['default'],
  software: ['software', 'default'],
};

/** Rows for an adapter and a layout, the best first; which of them may be used depends on bucket, shape and profile. */
export function tuningRows(
  adapter: AdapterClass,
  layout: MatmulLayout,
  table: readonly TuningRow[] = tuningTable,
): readonly TuningRow[] {
  return fallback[adapter].flatMap(name =>
    table.filter(row => row.adapter === name && (row.layout ?? layout) === layout),
  );
}
