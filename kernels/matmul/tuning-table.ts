/**
 * The tuning table of matrix multiplication; tuning.ts says how it is read. Rows are tried in order, and the first one
 * that suits shape, types and profile is taken. Measured rows come first. Those below were derived by hand from the
 * memory, registers and workgroups that a tile needs, and are not measured.
 */
import type { AluTile } from './2-tiled.wgsl.js';
import type { MatrixTile } from './3-matrix.wgsl.js';
import { measuredRows } from './tuning-measured.js';
import type { TuningRow } from './tuning.js';

/** m, n and depth of a tile, then rows and columns of a lane (`alu`) or of a subgroup. */
type Sizes = readonly [number, number, number, number, number];

const alu = (...[m, n, depth, rows, columns]: Sizes): AluTile => ({ kind: 'alu', m, n, depth, rows, columns });
const matrix =
  (kind: 'staged' | 'direct') =>
  (...[m, n, depth, warpM, warpN]: Sizes): MatrixTile => ({ kind, m, n, depth, warpM, warpN });
const [staged, direct] = [matrix('staged'), matrix('direct')];

/** One or two workgroups for each of the 132 processors of an H100. */
const hopperSplit = { workgroups: 264, minDepth: 512 };
const split = { workgroups: 128, minDepth: 512 };

export const tuningTable: readonly TuningRow[] = [
  ...measuredRows,

  // NVIDIA's data-centre chip: 48 KiB of workgroup memory, and many processors to keep busy
  {
    adapter: 'nvidia-hopper',

    bucket: 'small-deep',
    tile: staged(64, 64, 32, 32, 32),
    split: hopperSplit,
  },
  {
    adapter: 'nvidia-hopper',

    bucket: 'medium-deep',
    tile: staged(128, 128, 32, 64, 64),
    split: hopperSplit,
  },
  { adapter: 'nvidia-hopper', bucket: 'medium', tile: staged(64, 128, 32, 32, 64) },

  // NVIDIA: warps of 32 lanes, matrices of 16 x 16 x 16
  { adapter: 'nvidia', bucket: 'few-rows', tile: staged(32, 128, 64, 32, 32) },
  { adapter: 'nvidia', bucket: 'small', tile: direct(64, 64, 16, 32, 32) },
  { adapter: 'nvidia', bucket: 'small', tile: staged(64, 64, 32, 32, 32) },
  { adapter: 'nvidia', bucket: 'small-deep', tile: staged(64, 64, 32, 32, 32), split },
  { adapter: 'nvidia', bucket: 'medium-deep', tile: staged(128, 128, 32, 64, 64), split },
  { adapter: 'nvidia', bucket: 'large', tile: staged(128, 128, 32, 64, 64) },
  { adapter: 'nvidia', bucket: 'medium', tile: staged(128, 128, 32, 64, 64) },
  { adapter: 'nvidia', bucket: 'large', tile: alu(128, 128, 16, 8, 8) },

  // Apple: simdgroup matrices of 8 x 8 x 8, so a subgroup's part of 32 x 32 is 16 of them
  { adapter: 'apple', bucket: 'small-deep', tile: staged(64, 64, 32, 32, 32), split },
  { adapter: 'apple', bucket: 'medium-deep', tile: staged(64, 64, 32, 32, 32), split },
  { adapter: 'apple', bucket: 'any', tile: staged(64, 64, 32, 32, 32) },

  // a processor runs GPU kernels in tests only: small tiles that compile quickly
  { adapter: 'software', bucket: 'any', tile: staged(32, 32, 16, 16, 16) },
  { adapter: 'software', bucket: 'any', tile: alu(16, 16, 8, 4, 4) },

  // every other GPU
  { adapter: 'default', bucket: 'few-rows', tile: staged(32, 64, 32, 16, 32) },
  { adapter: 'default', bucket: 'small-deep', tile: staged(64, 64, 32, 32, 32), split },
  { adapter: 'default', bucket: 'medium-deep', tile: staged(64, 64, 32, 32, 32), split },
  { adapter: 'default', bucket: 'large', tile: staged(128, 128, 32, 64, 32) },
  { adapter: 'default', bucket: 'any', tile: staged(64, 64, 32, 32, 32) },
  { adapter: 'default', bucket: 'few-rows', tile: alu(16, 64, 32, 4, 4) },
  { adapter: 'default', bucket: 'small', tile: alu(32, 32, 16, 4, 4) },
  { adapter: 'default', bucket: 'small-deep', tile: alu(64, 64, 16, 8, 4), split },
  { adapter: 'default', bucket: 'medium-deep', tile: alu(64, 64, 16, 8, 4), split },
  { adapter: 'default', bucket: 'large', tile: alu(128, 64, 16, 8, 8) },
  { adapter: 'default', bucket: 'any', tile: alu(64, 64, 16, 8, 4) },
];
