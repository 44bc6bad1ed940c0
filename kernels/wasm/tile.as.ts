// The micro-kernel under every matrix product: a tile of C, 4 rows by 8 columns, stays in eight vector registers while
// it runs along k.
//
// V8 hands out 15 vector registers on x64, and puts all loads of a loop's body before the arithmetic that uses them. 4
// x 8 holds 8 of C, 2 of a row of B and 4 elements of A at once, which leaves one for a product: nothing spills. Larger
// tiles would load less per multiplication, but spill in every step. Measured on one Zen 5 core with Node 20, whose
// multipliers end at 61 GFLOP/s (relaxed SIMD | plain): 4 x 8: 55 | 46, 3 x 12: 56 | 24, 6 x 8: 28 | 31, 4 x 12: 29 |
// 30, 4 x 8 unrolled twice along k: 34 | 37.
//
// What finishes a tile is written out per flag: a function per register, which tests the flags, is shorter, but
// products with bias took 1.04 times as long at k = 64 and 1.15 times at k = 16.
import { laneMask, madd, storeLanes } from './simd.as';

/** Rows of C in a tile. */
export const tileRows = 4;
/** Columns of C in a tile. */
export const tileColumns = 8;

/** What happens to a tile before it is stored: bit flags. */
export const enum Finish {
  nothing = 0,
  /** Adds what C holds: all blocks of k but the first. */
  accumulate = 1,
  bias = 2,
  relu = 4,
  residual = 8,
}

@inline
function storeRow(c: usize, first: v128, second: v128, columns: i32): void {
  if (columns >= tileColumns) {
    v128.store(c, first);
    v128.store(c, second, 16);
  } else {
    storeLanes(c, first, columns);
    storeLanes(c + 16, second, columns - 4);
  }
}

/**
 * C[rows, columns] = finish(A B). Callers pass `rows` and `transposed` as constants, so each call compiles to a loop of
 * its own without tests. B[k, 8]: row stride strideB; all 8 columns must be readable. A[rows, k]: strideA is the
 * distance between rows; if transposed, A[k, rows] and the distance between steps of k. Strides in bytes; `bias` is
 * that of the first column, `residual` is shaped like C and its first element that of the tile.
 */
@inline
function tile(
  rows: i32,
  transposed: bool,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  k: i32,
  c: usize,
  strideC: usize,
  columns: i32,
  finish: i32,
  bias: usize,
  residual: usize,
): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  // the second to fourth row of A: at fixed distances if transposed, at pointers of their own if not
  let a1 = a + strideA;
  let a2 = a1 + strideA;
  let a3 = a2 + strideA;
  if (k > 0) {
    do {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      let x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      if (rows > 1) {
        x = transposed ? v128.load32_splat(a, 4) : v128.load32_splat(a1);
        c10 = madd(x, b0, c10);
        c11 = madd(x, b1, c11);
      }
      if (rows > 2) {
        x = transposed ? v128.load32_splat(a, 8) : v128.load32_splat(a2);
        c20 = madd(x, b0, c20);
        c21 = madd(x, b1, c21);
      }
      if (rows > 3) {
        x = transposed ? v128.load32_splat(a, 12) : v128.load32_splat(a3);
        c30 = madd(x, b0, c30);
        c31 = madd(x, b1, c31);
      }
      b += strideB;
      if (transposed) {
        a += strideA;
      } else {
        a += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
      }
    } while (--k > 0);
  }
  if (finish) {
    if (finish & Finish.accumulate) {
      c00 = f32x4.add(c00, v128.load(c));
      c01 = f32x4.add(c01, v128.load(c, 16));
      if (rows > 1) {
        c10 = f32x4.add(c10, v128.load(c + strideC));
        c11 = f32x4.add(c11, v128.load(c + strideC, 16));
      }
      if (rows > 2) {
        c20 = f32x4.add(c20, v128.load(c + 2 * strideC));
        c21 = f32x4.add(c21, v128.load(c + 2 * strideC, 16));
      }
      if (rows > 3) {
        c30 = f32x4.add(c30, v128.load(c + 3 * strideC));
        c31 = f32x4.add(c31, v128.load(c + 3 * strideC, 16));
      }
    }
    if (finish & Finish.bias) {
      const bias0 = v128.load(bias);
      const bias1 = v128.load(bias, 16);
      c00 = f32x4.add(c00, bias0);
      c01 = f32x4.add(c01, bias1);
      if (rows > 1) {
        c10 = f32x4.add(c10, bias0);
        c11 = f32x4.add(c11, bias1);
      }
      if (rows > 2) {
        c20 = f32x4.add(c20, bias0);
        c21 = f32x4.add(c21, bias1);
      }
      if (rows > 3) {
        c30 = f32x4.add(c30, bias0);
        c31 = f32x4.add(c31, bias1);
      }
    }
    if (finish & Finish.relu) {
      const zero = f32x4.splat(0);
      c00 = f32x4.pmax(c00, zero);
      c01 = f32x4.pmax(c01, zero);
      if (rows > 1) {
        c10 = f32x4.pmax(c10, zero);
        c11 = f32x4.pmax(c11, zero);
      }
      if (rows > 2) {
        c20 = f32x4.pmax(c20, zero);
        c21 = f32x4.pmax(c21, zero);
      }
      if (rows > 3) {
        c30 = f32x4.pmax(c30, zero);
        c31 = f32x4.pmax(c31, zero);
      }
    }
    if (finish & Finish.residual) {
      c00 = f32x4.add(c00, v128.load(residual));
      c01 = f32x4.add(c01, v128.load(residual, 16));
      if (rows > 1) {
        c10 = f32x4.add(c10, v128.load(residual + strideC));
        c11 = f32x4.add(c11, v128.load(residual + strideC, 16));
      }
      if (rows > 2) {
        c20 = f32x4.add(c20, v128.load(residual + 2 * strideC));
        c21 = f32x4.add(c21, v128.load(residual + 2 * strideC, 16));
      }
      if (rows > 3) {
        c30 = f32x4.add(c30, v128.load(residual + 3 * strideC));
        c31 = f32x4.add(c31, v128.load(residual + 3 * strideC, 16));
      }
    }
  }
  storeRow(c, c00, c01, columns);
  if (rows > 1) storeRow(c + strideC, c10, c11, columns);
  if (rows > 2) storeRow(c + 2 * strideC, c20, c21, columns);
  if (rows > 3) storeRow(c + 3 * strideC, c30, c31, columns);
}

/** A tile of up to 4 rows; A[rows, k] with rows strideA apart. See `tile`. */
export function multiplyTile(
  rows: i32,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  k: i32,
  c: usize,
  strideC: usize,
  columns: i32,
  finish: i32,
  bias: usize,
  residual: usize,
): void {
  if (rows >= 4) tile(4, false, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 3) tile(3, false, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 2) tile(2, false, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 1) tile(1, false, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
}

/** A tile of up to 4 rows; A[k, rows] with steps of k strideA apart. See `tile`. */
export function multiplyTransposedTile(
  rows: i32,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  k: i32,
  c: usize,
  strideC: usize,
  columns: i32,
  finish: i32,
  bias: usize,
  residual: usize,
): void {
  if (rows >= 4) tile(4, true, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 3) tile(3, true, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 2) tile(2, true, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
  else if (rows == 1) tile(1, true, a, strideA, b, strideB, k, c, strideC, columns, finish, bias, residual);
}

/**
 * One row of C, 16 columns: for products of so few rows that each element of B is used once or twice. Reads B in whole
 * cache lines. Elements of A lie stepA bytes apart.
 */
export function multiplyRow(
  a: usize,
  stepA: usize,
  b: usize,
  strideB: usize,
  k: i32,
  c: usize,
  finish: i32,
  bias: usize,
  residual: usize,
): void {
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  for (; k > 0; k--) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(b), c0);
    c1 = madd(x, v128.load(b, 16), c1);
    c2 = madd(x, v128.load(b, 32), c2);
    c3 = madd(x, v128.load(b, 48), c3);
    a += stepA;
    b += strideB;
  }
  v128.store(c, finished(c0, c, finish, bias, residual));
  v128.store(c, finished(c1, c + 16, finish, bias + 16, residual + 16), 16);
  v128.store(c, finished(c2, c + 32, finish, bias + 32, residual + 32), 32);
  v128.store(c, finished(c3, c + 48, finish, bias + 48, residual + 48), 48);
}

@inline
function finished(v: v128, c: usize, finish: i32, bias: usize, residual: usize): v128 {
  if (finish & Finish.accumulate) v = f32x4.add(v, v128.load(c));
  if (finish & Finish.bias) v = f32x4.add(v, v128.load(bias));
  if (finish & Finish.relu) v = f32x4.pmax(v, f32x4.splat(0));
  if (finish & Finish.residual) v = f32x4.add(v, v128.load(residual));
  return v;
}

/** Packs up to eight columns of a matrix: panel[l, j] = rows[l, j] for l < k, zeros for j >= count; stride in bytes. */
export function packPanel(panel: usize, rows: usize, stride: usize, count: i32, k: i32): void {
  if (count >= tileColumns) {
    for (let l: i32 = 0; l < k; l++, rows += stride, panel += 32) {
      v128.store(panel, v128.load(rows));
      v128.store(panel, v128.load(rows, 16), 16);
    }
    return;
  }
  const first = laneMask(count);
  const second = laneMask(count - 4);
  for (let l: i32 = 0; l < k; l++, rows += stride, panel += 32) {
    v128.store(panel, v128.and(v128.load(rows), first));
    v128.store(panel, v128.and(v128.load(rows, 16), second), 16);
  }
}

/**
 * Packs eight rows of a matrix side by side: panel[l, j] = rows[j, l] for l < k, zeros for j >= count. `stride`
 * in bytes. Turns B^T, or the keys of an attention head, into what `tile` wants as B.
 */
export function packTransposed(panel: usize, rows: usize, stride: usize, count: i32, k: i32): void {
  packFour(panel, rows, stride, count, k);
  packFour(panel + 16, rows + 4 * stride, stride, count - 4, k);
}

function packFour(panel: usize, rows: usize, stride: usize, count: i32, k: i32): void {
  if (count <= 0) {
    for (let l: i32 = 0; l < k; l++, panel += 32) v128.store(panel, f32x4.splat(0));
    return;
  }
  // rows that do not exist read as the first one, and their lanes are cleared
  const mask = laneMask(count);
  let r0 = rows;
  let r1 = count > 1 ? rows + stride : rows;
  let r2 = count > 2 ? rows + 2 * stride : rows;
  let r3 = count > 3 ? rows + 3 * stride : rows;
  let l: i32 = 0;
  for (; l <= k - 4; l += 4) {
    const v0 = v128.load(r0);
    const v1 = v128.load(r1);
    const v2 = v128.load(r2);
    const v3 = v128.load(r3);
    // 4 x 4 transpose
    const t0 = i32x4.shuffle(v0, v1, 0, 4, 1, 5);
    const t1 = i32x4.shuffle(v0, v1, 2, 6, 3, 7);
    const t2 = i32x4.shuffle(v2, v3, 0, 4, 1, 5);
    const t3 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
    v128.store(panel, v128.and(mask, i64x2.shuffle(t0, t2, 0, 2)));
    v128.store(panel, v128.and(mask, i64x2.shuffle(t0, t2, 1, 3)), 32);
    v128.store(panel, v128.and(mask, i64x2.shuffle(t1, t3, 0, 2)), 64);
    v128.store(panel, v128.and(mask, i64x2.shuffle(t1, t3, 1, 3)), 96);
    panel += 128;
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
  }
  for (; l < k; l++) {
    const column = f32x4(load<f32>(r0), load<f32>(r1), load<f32>(r2), load<f32>(r3));
    v128.store(panel, v128.and(mask, column));
    panel += 32;
    r0 += 4;
    r1 += 4;
    r2 += 4;
    r3 += 4;
  }
}
