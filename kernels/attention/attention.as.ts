// Attention as small matrix products: per sequence and head, six queries at a time against all keys that they see. Scores
// of six queries never leave the first-level cache.
import { at, expDown4, laneMask, log1, madd, maxLanes, storeLanes, sumLanes } from '../wasm/simd.as';
import { multiplyTile, multiplyTransposedTile, packTransposed, tileColumns, tileRows } from '../wasm/tile.as';

// @ts-ignore: decorator
@unmanaged
class Sequence {
  queryStart: i32;
  queryCount: i32;
  keyStart: i32;
  keyCount: i32;
  prefix: i32;
  position: i32;
}

/** Integers per sequence in the table. */
const sequenceFields = 6;

/** Number of leading keys that query i sees. */
// @ts-ignore: decorator
@inline
function visibleKeys(sequence: Sequence, i: i32): i32 {
  return min(sequence.keyCount, max(sequence.prefix, sequence.position + i + 1));
}

// @ts-ignore: decorator
@inline
function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Packs `count` rows of k floats as panels [k, 8] one after another: the transposed operand of a score product. */
function packPanels(panels: usize, rows: usize, stride: usize, count: i32, k: i32): void {
  for (let j: i32 = 0; j < count; j += tileColumns)
    packTransposed(at(panels, j * k), rows + <usize>j * stride, stride, min(count - j, tileColumns), k);
}

/** Scores of up to six queries: C[rows, panels * 8] = A[rows, k] times packed panels. */
// @ts-ignore: decorator
@inline
function scores(rows: i32, a: usize, strideA: usize, panels: usize, k: i32, c: usize, strideC: usize, count: i32): void {
  for (let j: i32 = 0; j < count; j += tileColumns)
    multiplyTile(rows, a, strideA, at(panels, j * k), 4 * tileColumns, k, at(c, j), strideC, tileColumns, false);
}

/** C[rows, width] = A[rows, k] times B[k, width], all where they lie. */
// @ts-ignore: decorator
@inline
function product(
  transposed: bool,
  rows: i32,
  a: usize,
  strideA: usize,
  b: usize,
  strideB: usize,
  k: i32,
  c: usize,
  strideC: usize,
  width: i32,
): void {
  for (let j: i32 = 0; j < width; j += tileColumns) {
    const columns = min(width - j, tileColumns);
    if (transposed) multiplyTransposedTile(rows, a, strideA, at(b, j), strideB, k, at(c, j), strideC, columns, false);
    else multiplyTile(rows, a, strideA, at(b, j), strideB, k, at(c, j), strideC, columns, false);
  }
}

// @ts-ignore: decorator
@unmanaged
class AttentionArgs {
  q: usize;
  kv: usize;
  table: usize;
  out: usize;
  lse: usize;
  sequences: i32;
  heads: i32;
  headDim: i32;
  strideQ: i32;
  strideKv: i32;
  offsetK: i32;
  offsetV: i32;
  maxQueries: i32;
  maxKeys: i32;
  scale: f32;
}

/**
 * One row of scores to unnormalised probabilities exp(scale x - max) of the first `visible` keys, zeros up to `count`.
 * Returns their sum and leaves scale * max in `maximum`.
 */
// @ts-ignore: decorator
@inline
function softmaxRow(x: usize, scale: v128, visible: i32, count: i32, maximum: usize): f32 {
  const none = f32x4.splat(-Infinity);
  let max = none;
  for (let j: i32 = 0; j < visible; j += 4) {
    const v = f32x4.mul(v128.load(at(x, j)), scale);
    max = f32x4.pmax(max, v128.bitselect(v, none, laneMask(visible - j)));
  }
  const largest = maxLanes(max);
  store<f32>(maximum, largest);
  const minusLargest = f32x4.splat(-largest);
  let sum = f32x4.splat(0);
  let j: i32 = 0;
  for (; j < visible; j += 4) {
    const e = v128.and(expDown4(madd(v128.load(at(x, j)), scale, minusLargest)), laneMask(visible - j));
    v128.store(at(x, j), e);
    sum = f32x4.add(sum, e);
  }
  for (; j < count; j += 4) v128.store(at(x, j), f32x4.splat(0));
  return sumLanes(sum);
}

/** One unit is one head of one sequence. Scratch: the keys as panels, then six rows of scores, then six sums and a maximum. */
export function attention(args: AttentionArgs, begin: i32, end: i32, scratch: usize): void {
  const heads = args.heads;
  const headDim = args.headDim;
  const strideQ = (<usize>args.strideQ) << 2;
  const strideKv = (<usize>args.strideKv) << 2;
  const strideOut = (<usize>(heads * headDim)) << 2;
  const scale = f32x4.splat(args.scale);
  const panels = scratch;
  for (let unit = begin; unit < end; unit++) {
    const s = unit / heads;
    const h = unit - s * heads;
    const sequence = changetype<Sequence>(at(args.table, s * sequenceFields));
    const keyCount = sequence.keyCount;
    const queryCount = sequence.queryCount;
    const padded = roundUp8(keyCount);
    const block = at(panels, padded * headDim);
    const strideBlock = (<usize>padded) << 2;
    const sums = at(block, tileRows * padded);
    const q = at(args.q, sequence.queryStart * args.strideQ + h * headDim);
    const kv = at(args.kv, sequence.keyStart * args.strideKv + h * headDim);
    const values = at(kv, args.offsetV);
    const out = at(args.out, (sequence.queryStart * heads + h) * headDim);
    const lse = at(args.lse, sequence.queryStart * heads + h);
    packPanels(panels, at(kv, args.offsetK), strideKv, visibleKeys(sequence, queryCount - 1), headDim);

    for (let i: i32 = 0; i < queryCount; i += tileRows) {
      const rows = min(queryCount - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      scores(rows, q + <usize>i * strideQ, strideQ, panels, headDim, block, strideBlock, most);
      for (let r: i32 = 0; r < rows; r++) {
        const visible = visibleKeys(sequence, i + r);
        const sum = softmaxRow(block + <usize>r * strideBlock, scale, visible, most, at(sums, 8));
        store<f32>(at(sums, r), visible > 0 ? 1 / sum : 0);
        store<f32>(at(lse, (i + r) * heads), visible > 0 ? load<f32>(at(sums, 8)) + log1(sum) : 0);
      }
      const into = out + <usize>i * strideOut;
      product(false, rows, block, strideBlock, values, strideKv, most, into, strideOut, headDim);
      for (let r: i32 = 0; r < rows; r++) {
        const row = into + <usize>r * strideOut;
        const factor = v128.load32_splat(at(sums, r));
        for (let d: i32 = 0; d < headDim; d += 4)
          storeLanes(at(row, d), f32x4.mul(v128.load(at(row, d)), factor), headDim - d);
      }
    }
  }
}

// @ts-ignore: decorator
@unmanaged
class AttentionGradArgs {
  qkv: usize;
  table: usize;
  out: usize;
  lse: usize;
  dout: usize;
  dqkv: usize;
  sequences: i32;
  heads: i32;
  headDim: i32;
  maxQueries: i32;
  scale: f32;
}

/**
 * One unit is one head of one sequence. Scratch: keys and values as panels, then the matrices P and dS of all queries.
 * S = Q K^T, dP = dO V^T, P = exp(scale S - lse), dS = P (dP - delta) scale; dQ = dS K, dK = dS^T Q, dV = P^T dO.
 */
export function attention_grad(args: AttentionGradArgs, begin: i32, end: i32, scratch: usize): void {
  const heads = args.heads;
  const headDim = args.headDim;
  const width = heads * headDim;
  const strideOut = (<usize>width) << 2;
  const strideQkv: usize = 3 * strideOut;
  const scale = f32x4.splat(args.scale);
  for (let unit = begin; unit < end; unit++) {
    const s = unit / heads;
    const h = unit - s * heads;
    const sequence = changetype<Sequence>(at(args.table, s * sequenceFields));
    const count = sequence.queryCount;
    const keyCount = sequence.keyCount;
    const padded = roundUp8(keyCount);
    const stride = (<usize>padded) << 2;
    const keyPanels = scratch;
    const valuePanels = at(keyPanels, padded * headDim);
    const p = at(valuePanels, padded * headDim);
    const ds = at(p, count * padded);
    const q = at(args.qkv, sequence.queryStart * 3 * width + h * headDim);
    const keys = at(q, width);
    const values = at(q, 2 * width);
    const out = at(args.out, sequence.queryStart * width + h * headDim);
    const dout = at(args.dout, sequence.queryStart * width + h * headDim);
    const dq = at(args.dqkv, sequence.queryStart * 3 * width + h * headDim);
    const lse = at(args.lse, sequence.queryStart * heads + h);
    packPanels(keyPanels, keys, strideQkv, keyCount, headDim);
    packPanels(valuePanels, values, strideQkv, keyCount, headDim);

    for (let i: i32 = 0; i < count; i += tileRows) {
      const rows = min(count - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      const blockP = at(p, i * padded);
      const blockDs = at(ds, i * padded);
      scores(rows, q + <usize>i * strideQkv, strideQkv, keyPanels, headDim, blockP, stride, most);
      scores(rows, dout + <usize>i * strideOut, strideOut, valuePanels, headDim, blockDs, stride, most);
      for (let r: i32 = 0; r < rows; r++) {
        const visible = visibleKeys(sequence, i + r);
        const rowP = blockP + <usize>r * stride;
        const rowDs = blockDs + <usize>r * stride;
        const minusLse = f32x4.splat(-load<f32>(at(lse, (i + r) * heads)));
        let delta = f32x4.splat(0);
        const outRow = out + <usize>(i + r) * strideOut;
        const doutRow = dout + <usize>(i + r) * strideOut;
        for (let d: i32 = 0; d < headDim; d += 4) {
          const term = f32x4.mul(v128.load(at(doutRow, d)), v128.load(at(outRow, d)));
          delta = f32x4.add(delta, v128.and(term, laneMask(headDim - d)));
        }
        const deltaWide = f32x4.splat(sumLanes(delta));
        let j: i32 = 0;
        for (; j < visible; j += 4) {
          const e = v128.and(expDown4(madd(v128.load(at(rowP, j)), scale, minusLse)), laneMask(visible - j));
          v128.store(at(rowP, j), e);
          const slope = f32x4.mul(f32x4.sub(v128.load(at(rowDs, j)), deltaWide), scale);
          v128.store(at(rowDs, j), v128.and(f32x4.mul(e, slope), laneMask(visible - j)));
        }
        // zeros as far as a tile that starts at a visible key, or the block's last row, may read
        const stop = min(padded, max(most, visible + tileRows));
        for (; j < stop; j += 4) {
          v128.store(at(rowP, j), f32x4.splat(0));
          v128.store(at(rowDs, j), f32x4.splat(0));
        }
      }
      product(false, rows, blockDs, stride, keys, strideQkv, most, dq + <usize>i * strideQkv, strideQkv, headDim);
    }

    for (let j: i32 = 0; j < keyCount; j += tileRows) {
      const rows = min(keyCount - j, tileRows);
      // the first query that sees key j; the ones before it contribute nothing to this block of keys
      const first = j < sequence.prefix ? 0 : max(0, j - sequence.position);
      const steps = max(0, count - first);
      const dk = at(dq + <usize>j * strideQkv, width);
      const fromDs = at(ds, first * padded + j);
      const fromP = at(p, first * padded + j);
      product(true, rows, fromDs, stride, q + <usize>first * strideQkv, strideQkv, steps, dk, strideQkv, headDim);
      product(true, rows, fromP, stride, dout + <usize>first * strideOut, strideOut, steps, at(dk, width), strideQkv, headDim);
    }
  }
}
