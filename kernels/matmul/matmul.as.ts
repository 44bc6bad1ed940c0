// Matrix multiplication in two passes: panels of B are packed side by side in shared scratch, then blocks of C are
// computed tile by tile. A is read in place: its rows are streams that the processor prefetches.
//
// Measured on one thread (`npm run bench:ladder`, bench/results/ladder.json), 256 x 256 x 256: three loops in
// JavaScript 0.94 GFLOP/s, a register tile in JavaScript 1.2, this 38.
import { at } from '../wasm/simd.as';
import { Finish, multiplyTile, multiplyRow, multiplyTransposedTile } from '../wasm/tile.as';
import { packPanel, packTransposed, tileColumns, tileRows } from '../wasm/tile.as';

/**
 * Steps along k after which C is written back: one panel of B (8 KiB) then stays in the first-level cache, and the sum
 * of a long k keeps its digits.
 */
const blockK = 256;

@unmanaged
class MatmulArgs {
  a: usize;
  b: usize;
  bias: usize;
  residual: usize;
  c: usize;
  m: i32;
  n: i32;
  k: i32;
  batch: i32;
  strideA: i32;
  strideB: i32;
  /** A is [k, m]. */
  transA: i32;
  /** B is [n, k]. */
  transB: i32;
  /** Flags of `Finish` for the last block of k. */
  finish: i32;
  /** Panels are read from `panels`, not straight from B. */
  packed: i32;
  panelsPerPackUnit: i32;
  rowsPerUnit: i32;
  panelsPerUnit: i32;
  /** Where the strips of A begin behind the panels, in elements; 0 if A is read where it lies. */
  strips: i32;
  panels: usize;
}

/** One unit packs panelsPerPackUnit panels, [k, 8], of B; columns beyond n are zeros. */
export function matmul_pack(args: MatmulArgs, begin: i32, end: i32, scratch: usize): void {
  const n = args.n;
  const k = args.k;
  const count = (n + tileColumns - 1) / tileColumns;
  const matrices = args.strideB ? args.batch : 1;
  const last = min(matrices * count, end * args.panelsPerPackUnit);
  for (let p = begin * args.panelsPerPackUnit; p < last; p++) {
    const z = p / count;
    const j = (p - z * count) * tileColumns;
    const columns = min(n - j, tileColumns);
    const panel = at(args.panels, p * k * tileColumns);
    const matrix = at(args.b, z * args.strideB);
    if (args.transB) packTransposed(panel, at(matrix, j * k), (<usize>k) << 2, columns, k);
    else packPanel(panel, at(matrix, j), (<usize>n) << 2, columns, k);
  }
}

/**
 * One unit packs 16 rows of A, which is [k, m], as four strips [k, 4]: where rows of k lie a large power of two apart,
 * few of them fit into the first-level cache at once.
 */
export function matmul_pack_strips(args: MatmulArgs, begin: i32, end: i32, scratch: usize): void {
  const m = args.m;
  const k = args.k;
  const blocks = (m + 15) / 16;
  const stride = (<usize>m) << 2;
  const length = (<usize>k) << 4;
  for (let unit = begin; unit < end; unit++) {
    const z = unit / blocks;
    const i = (unit - z * blocks) * 16;
    let row = at(args.a, z * args.strideA + i);
    let strip = at(args.panels, args.strips + (z * blocks * 16 + i) * k);
    for (let l: i32 = 0; l < k; l++) {
      v128.store(strip, v128.load(row));
      v128.store(strip + length, v128.load(row, 16));
      v128.store(strip + 2 * length, v128.load(row, 32));
      v128.store(strip + 3 * length, v128.load(row, 48));
      row += stride;
      strip += 16;
    }
  }
}

/** One unit computes rowsPerUnit rows by panelsPerUnit panels of C of one matrix of the batch. */
export function matmul(args: MatmulArgs, begin: i32, end: i32, scratch: usize): void {
  const m = args.m;
  const n = args.n;
  const k = args.k;
  const rowsPerUnit = args.rowsPerUnit;
  const panelsPerUnit = args.panelsPerUnit;
  const panels = (n + tileColumns - 1) / tileColumns;
  const rowBlocks = (m + rowsPerUnit - 1) / rowsPerUnit;
  const columnBlocks = (panels + panelsPerUnit - 1) / panelsPerUnit;
  const transA = args.transA;
  const packed = args.packed;
  const strips = args.strips;
  const strideA = (<usize>(strips ? 4 : transA ? m : k)) << 2;
  const strideB: usize = packed ? 4 * tileColumns : (<usize>n) << 2;
  const strideC = (<usize>n) << 2;

  for (let unit = begin; unit < end; unit++) {
    const z = unit / (rowBlocks * columnBlocks);
    const rest = unit - z * rowBlocks * columnBlocks;
    const rowBlock = rest / columnBlocks;
    const columnBlock = rest - rowBlock * columnBlocks;
    const rowEnd = min(m, (rowBlock + 1) * rowsPerUnit);
    const panelEnd = min(panels, (columnBlock + 1) * panelsPerUnit);
    const a = at(args.a, z * args.strideA);
    const b = packed ? at(args.panels, args.strideB ? z * panels * k * tileColumns : 0) : at(args.b, z * args.strideB);
    const c = at(args.c, z * m * n);

    for (let start: i32 = 0; start == 0 || start < k; start += blockK) {
      const steps = min(blockK, k - start);
      const finish = (start > 0 ? Finish.accumulate : 0) | (start + blockK >= k ? args.finish : 0);
      for (let panel = columnBlock * panelsPerUnit; panel < panelEnd; panel++) {
        const j = panel * tileColumns;
        const columns = min(n - j, tileColumns);
        const bias = at(args.bias, j);
        if (!packed && panel + 1 < panelEnd && n - j >= 16) {
          // few rows: two panels at once, row by row
          const fromB = at(b, start * n + j);
          const stepA: usize = transA ? strideA : 4;
          for (let i = rowBlock * rowsPerUnit; i < rowEnd; i++) {
            const fromA = transA ? at(a, start * m + i) : at(a, i * k + start);
            const residual = at(args.residual, z * m * n + i * n + j);
            multiplyRow(fromA, stepA, fromB, strideB, steps, at(c, i * n + j), finish, bias, residual);
          }
          panel++;
          continue;
        }
        const fromB = packed ? at(b, (panel * k + start) * tileColumns) : at(b, start * n + j);
        for (let i = rowBlock * rowsPerUnit; i < rowEnd; i += tileRows) {
          const rows = min(rowEnd - i, tileRows);
          const into = at(c, i * n + j);
          const residual = at(args.residual, z * m * n + i * n + j);
          if (transA) {
            const fromA = strips
              ? at(args.panels, strips + (z * ((m + 15) & ~15) + i) * k + 4 * start)
              : at(a, start * m + i);
            multiplyTransposedTile(rows, fromA, strideA, fromB, strideB, steps, into, strideC, columns, finish, bias, residual);
          } else {
            const fromA = at(a, i * k + start);
            multiplyTile(rows, fromA, strideA, fromB, strideB, steps, into, strideC, columns, finish, bias, residual);
          }
        }
      }
    }
  }
}
