// Attention as small matrix products: per sequence and head, four queries at a time against all keys that they see, so
// that scores never leave the first-level cache. The four rows of a block go through softmax side by side.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-wasm.json): 64 sequences of 56 rows,
// 4 heads of 16, forward 2.5 ms, the reference 148.
import { at, expDown4, laneMask, log4, storeLanes, sumLanes, transposeMax, transposeSum } from '../wasm/simd.as';
import { attendOne, storeStatistics } from './attend-one.as';
import { sumBlock } from '../wasm/row.as';
import { Finish, multiplyTile, multiplyTransposedTile, packTransposed, tileColumns, tileRows } from '../wasm/tile.as';

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

/** True if `count` rows from `start` on are at most `most`, and lie within `rows`. */
@inline
function lies(start: i32, count: i32, most: i32, rows: i32): bool {
  return start >= 0 && count >= 0 && count <= most && start <= rows - count;
}

/** See sequenceAt in attention.ts. */
@inline
function masksWell(sequence: Sequence): bool {
  return sequence.prefix >= 0 && sequence.position >= 0 && sequence.position < 1 << 30;
}

/** Number of leading keys that query i sees. */
@inline
function visibleKeys(sequence: Sequence, i: i32): i32 {
  return min(sequence.keyCount, max(sequence.prefix, sequence.position + i + 1));
}

@inline
function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Packs `count` rows of k floats as panels [k, 8] one after another: the transposed operand of a score product. */
function packPanels(panels: usize, rows: usize, stride: usize, count: i32, k: i32): void {
  for (let j: i32 = 0; j < count; j += tileColumns)
    packTransposed(at(panels, j * k), rows + <usize>j * stride, stride, min(count - j, tileColumns), k);
}

/** Scores of up to four queries: C[rows, panels * 8] = A[rows, k] times packed panels. */
@inline
function scores(rows: i32, a: usize, strideA: usize, panels: usize, k: i32, c: usize, strideC: usize, count: i32): void {
  for (let j: i32 = 0; j < count; j += tileColumns)
    multiplyTile(rows, a, strideA, at(panels, j * k), 4 * tileColumns, k, at(c, j), strideC, tileColumns, 0, 0, 0);
}

/** Steps along k that are summed one after another: long rows are added in blocks. */
const blockK = 256;

/** C[rows, width] = A[rows, k] times B[k, width], all where they lie. */
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
  for (let start: i32 = 0; start == 0 || start < k; start += blockK) {
    const steps = min(blockK, k - start);
    const finish: i32 = start > 0 ? Finish.accumulate : Finish.nothing;
    const from = b + <usize>start * strideB;
    for (let j: i32 = 0; j < width; j += tileColumns) {
      const columns = min(width - j, tileColumns);
      if (transposed) {
        const step = a + <usize>start * strideA;
        multiplyTransposedTile(rows, step, strideA, at(from, j), strideB, steps, at(c, j), strideC, columns, finish, 0, 0);
      } else multiplyTile(rows, at(a, start), strideA, at(from, j), strideB, steps, at(c, j), strideC, columns, finish, 0, 0);
    }
  }
}

@unmanaged
class AttentionArgs {
  q: usize;
  kv: usize;
  table: usize;
  out: usize;
  stats: usize;
  sequences: i32;
  heads: i32;
  headDim: i32;
  strideQ: i32;
  strideKv: i32;
  offsetK: i32;
  offsetV: i32;
  queryRows: i32;
  keyRows: i32;
  maxQueries: i32;
  maxKeys: i32;
  scale: f32;
}

/**
 * Puts -infinity in place of what the rows of a block do not see, up to `count` keys (rounded up to four). With causal
 * masks that is the last few keys of a block.
 */
@inline
function maskBlock(sequence: Sequence, i: i32, rows: i32, block: usize, stride: usize, count: i32): void {
  for (let r: i32 = 0; r < rows; r++) {
    const row = block + <usize>r * stride;
    const visible = visibleKeys(sequence, i + r);
    for (let j = visible & ~3; j < count; j += 4)
      v128.store(at(row, j), v128.bitselect(v128.load(at(row, j)), f32x4.splat(-Infinity), laneMask(visible - j)));
  }
}

/**
 * x = exp(scale (x - max)) in place; returns it. Scaled behind the difference, which is as exact as x is, however large
 * the scores are.
 */
@inline
function expInPlace(x: usize, max: v128, scale: v128): v128 {
  const e = expDown4(f32x4.mul(scale, f32x4.sub(v128.load(x), max)));
  v128.store(x, e);
  return e;
}

/**
 * Four rows of scores to unnormalised probabilities exp(scale (x - max)). Stores at `found` four each: the reciprocals
 * of their sums (0 where there are no keys), the maxima, the logarithms of the sums.
 */
function softmaxBlock(row0: usize, stride: usize, count: i32, scale: v128, found: usize): void {
  const row1 = row0 + stride;
  const row2 = row1 + stride;
  const row3 = row2 + stride;
  let m0 = v128.load(row0);
  let m1 = v128.load(row1);
  let m2 = v128.load(row2);
  let m3 = v128.load(row3);
  for (let j: i32 = 4; j < count; j += 4) {
    m0 = f32x4.pmax(m0, v128.load(at(row0, j)));
    m1 = f32x4.pmax(m1, v128.load(at(row1, j)));
    m2 = f32x4.pmax(m2, v128.load(at(row2, j)));
    m3 = f32x4.pmax(m3, v128.load(at(row3, j)));
  }
  let max = transposeMax(m0, m1, m2, m3);
  const seen = i32x4.splat(count > 0 ? -1 : 0);
  max = v128.and(max, seen);
  m0 = i32x4.shuffle(max, max, 0, 0, 0, 0);
  m1 = i32x4.shuffle(max, max, 1, 1, 1, 1);
  m2 = i32x4.shuffle(max, max, 2, 2, 2, 2);
  m3 = i32x4.shuffle(max, max, 3, 3, 3, 3);
  let sum = f32x4.splat(0);
  for (let from: i32 = 0; from < count; from += sumBlock) {
    const stop = min(count, from + sumBlock);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let j = from; j < stop; j += 4) {
      s0 = f32x4.add(s0, expInPlace(at(row0, j), m0, scale));
      s1 = f32x4.add(s1, expInPlace(at(row1, j), m1, scale));
      s2 = f32x4.add(s2, expInPlace(at(row2, j), m2, scale));
      s3 = f32x4.add(s3, expInPlace(at(row3, j), m3, scale));
    }
    sum = f32x4.add(sum, transposeSum(s0, s1, s2, s3));
  }
  v128.store(found, v128.and(f32x4.div(f32x4.splat(1), sum), seen));
  v128.store(found, max, 16);
  v128.store(found, log4(sum), 32);
}

/** row *= factor; returns whether there is a NaN in it. */
@inline
function scaleRow(row: usize, factor: v128, width: i32): bool {
  let none = i32x4.splat(0);
  for (let d: i32 = 0; d < width; d += 4) {
    const y = f32x4.mul(v128.load(at(row, d)), factor);
    none = v128.or(none, v128.and(f32x4.ne(y, y), laneMask(width - d)));
    storeLanes(at(row, d), y, width - d);
  }
  return v128.any_true(none);
}

/**
 * One unit is one head of one sequence. Scratch: the keys as panels, then four rows of scores, then what is
 * found in them.
 */
export function attention(args: AttentionArgs, begin: i32, end: i32, scratch: usize): void {
  const heads = args.heads;
  const headDim = args.headDim;
  const strideQ = (<usize>args.strideQ) << 2;
  const strideKv = (<usize>args.strideKv) << 2;
  const strideOut = (<usize>(heads * headDim)) << 2;
  const panels = scratch;
  for (let unit = begin; unit < end; unit++) {
    const s = unit / heads;
    const h = unit - s * heads;
    const sequence = changetype<Sequence>(at(args.table, s * sequenceFields));
    const queryCount = sequence.queryCount;
    if (
      !lies(sequence.queryStart, queryCount, args.maxQueries, args.queryRows) ||
      !lies(sequence.keyStart, sequence.keyCount, args.maxKeys, args.keyRows) ||
      !masksWell(sequence)
    )
      continue;
    const padded = roundUp8(sequence.keyCount);
    const block = at(panels, padded * headDim);
    const strideBlock = (<usize>padded) << 2;
    const found = at(block, tileRows * padded);
    const q = at(args.q, sequence.queryStart * args.strideQ + h * headDim);
    const kv = at(args.kv, sequence.keyStart * args.strideKv + h * headDim);
    const values = at(kv, args.offsetV);
    const out = at(args.out, (sequence.queryStart * heads + h) * headDim);
    const stats = at(args.stats, 2 * (sequence.queryStart * heads + h));
    const keys = at(kv, args.offsetK);
    // a decode step; one row that sees itself may be asked for its gradient, which adds up in the order of tiles
    if (queryCount == 1 && sequence.keyCount > 1 && (headDim & 3) == 0) {
      const visible = visibleKeys(sequence, 0);
      attendOne(q, keys, values, strideKv, visible, headDim, args.scale, block, out, stats);
      continue;
    }
    packPanels(panels, keys, strideKv, visibleKeys(sequence, queryCount - 1), headDim);

    for (let i: i32 = 0; i < queryCount; i += tileRows) {
      const rows = min(queryCount - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      scores(rows, q + <usize>i * strideQ, strideQ, panels, headDim, block, strideBlock, most);
      maskBlock(sequence, i, rows, block, strideBlock, most);
      // rows beyond the last query yield numbers that are never read
      softmaxBlock(block, strideBlock, most, f32x4.splat(args.scale), found);
      const into = out + <usize>i * strideOut;
      product(false, rows, block, strideBlock, values, strideKv, most, into, strideOut, headDim);
      for (let r: i32 = 0; r < rows; r++) {
        const row = into + <usize>r * strideOut;
        const factor = v128.load32_splat(at(found, r));
        const visible = visibleKeys(sequence, i + r);
        const max = load<f32>(at(found, r), 16);
        storeStatistics(at(stats, 2 * (i + r) * heads), most, max, load<f32>(at(found, r), 32));
        // 0 times a value that is not finite, of a key that this row does not see: sum what it sees alone
        if (scaleRow(row, factor, headDim) && visible < most) {
          product(false, 1, at(block, r * padded), strideBlock, values, strideKv, visible, row, strideOut, headDim);
          scaleRow(row, factor, headDim);
        }
      }
    }
  }
}

@unmanaged
class AttentionGradArgs {
  qkv: usize;
  table: usize;
  out: usize;
  stats: usize;
  dout: usize;
  dqkv: usize;
  sequences: i32;
  heads: i32;
  headDim: i32;
  queryRows: i32;
  maxQueries: i32;
  scale: f32;
}

/** sum of dO * O of one query */
@inline
function dotProduct(a: usize, b: usize, n: i32): f32 {
  let sum = f32x4.splat(0);
  for (let d: i32 = 0; d < n; d += 4) {
    const term = f32x4.mul(v128.load(at(a, d)), v128.load(at(b, d)));
    sum = f32x4.add(sum, v128.and(term, laneMask(n - d)));
  }
  return sumLanes(sum);
}

/** A row of q . k to P, and one of dP to dS = P (dP - delta) scale, both in place; `stats` are the forward pass's. */
@inline
function gradRow(p: usize, ds: usize, count: i32, stats: usize, delta: f32, scale: v128): void {
  const max = v128.load32_splat(stats);
  const logSum = v128.load32_splat(stats, 4);
  const less = f32x4.splat(delta);
  for (let j: i32 = 0; j < count; j += 4) {
    const e = expDown4(f32x4.sub(f32x4.mul(scale, f32x4.sub(v128.load(at(p, j)), max)), logSum));
    v128.store(at(p, j), e);
    v128.store(at(ds, j), f32x4.mul(f32x4.mul(e, scale), f32x4.sub(v128.load(at(ds, j)), less)));
  }
}

/** True if there is a NaN among `width` floats. */
@inline
function holdsNaN(row: usize, width: i32): bool {
  let none = i32x4.splat(0);
  for (let d: i32 = 0; d < width; d += 4) {
    const y = v128.load(at(row, d));
    none = v128.or(none, v128.and(f32x4.ne(y, y), laneMask(width - d)));
  }
  return v128.any_true(none);
}

/** The first query that sees key j; those before it contribute nothing. */
@inline
function firstQuery(sequence: Sequence, j: i32): i32 {
  return j < sequence.prefix ? 0 : max(0, j - sequence.position);
}

/**
 * One unit is one head of one sequence. Scratch: keys and values as panels, then the matrices P and dS of all queries.
 * dP = dO V^T, P = exp(scale (Q K^T - max) - log sum), dS = P (dP - delta) scale; dQ = dS K, dK = dS^T Q, dV = P^T dO.
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
    if (
      !lies(sequence.queryStart, count, args.maxQueries, args.queryRows) ||
      !lies(sequence.keyStart, keyCount, args.maxQueries, args.queryRows) ||
      sequence.keyStart != sequence.queryStart ||
      !masksWell(sequence)
    )
      continue;
    const padded = roundUp8(keyCount);
    const stride = (<usize>padded) << 2;
    const keyPanels = scratch;
    const valuePanels = at(keyPanels, padded * headDim);
    const p = at(valuePanels, padded * headDim);
    // room for whole blocks of queries: the last one may write rows that are never read
    const ds = at(p, roundUp8(count) * padded);
    const q = at(args.qkv, sequence.queryStart * 3 * width + h * headDim);
    const keys = at(q, width);
    const out = at(args.out, sequence.queryStart * width + h * headDim);
    const dout = at(args.dout, sequence.queryStart * width + h * headDim);
    const dq = at(args.dqkv, sequence.queryStart * 3 * width + h * headDim);
    const stats = at(args.stats, 2 * (sequence.queryStart * heads + h));
    packPanels(keyPanels, keys, strideQkv, keyCount, headDim);
    packPanels(valuePanels, at(q, 2 * width), strideQkv, keyCount, headDim);

    for (let i: i32 = 0; i < count; i += tileRows) {
      const rows = min(count - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      const p0 = at(p, i * padded);
      const ds0 = at(ds, i * padded);
      scores(rows, q + <usize>i * strideQkv, strideQkv, keyPanels, headDim, p0, stride, most);
      scores(rows, dout + <usize>i * strideOut, strideOut, valuePanels, headDim, ds0, stride, most);
      maskBlock(sequence, i, rows, p0, stride, most);
      for (let r: i32 = 0; r < rows; r++) {
        const row = <usize>(i + r) * strideOut;
        const delta = dotProduct(dout + row, out + row, headDim);
        gradRow(at(p0, r * padded), at(ds0, r * padded), most, at(stats, 2 * (i + r) * heads), delta, scale);
      }
      let j: i32 = (most + 3) & ~3;
      // zeros as far as a tile of keys may read that starts at a key which one of these queries sees
      const stop = min(padded, most + tileRows);
      for (; j < stop; j += 4) {
        for (let r: i32 = 0; r < rows; r++) {
          v128.store(at(p0, r * padded + j), f32x4.splat(0));
          v128.store(at(ds0, r * padded + j), f32x4.splat(0));
        }
      }
      const into = dq + <usize>i * strideQkv;
      product(false, rows, ds0, stride, keys, strideQkv, most, into, strideQkv, headDim);
      // 0 times NaN, of keys that this row does not see: sum those that it sees alone
      for (let r: i32 = 0; r < rows; r++) {
        const row = into + <usize>r * strideQkv;
        if (holdsNaN(row, headDim))
          product(false, 1, at(ds0, r * padded), stride, keys, strideQkv, visibleKeys(sequence, i + r), row, strideQkv, headDim);
      }
    }

    for (let j: i32 = 0; j < keyCount; j += tileRows) {
      const rows = min(keyCount - j, tileRows);
      const first = firstQuery(sequence, j);
      const steps = max(0, count - first);
      const dk = at(dq + <usize>j * strideQkv, width);
      const dv = at(dk, width);
      const fromDs = at(ds, first * padded + j);
      const fromP = at(p, first * padded + j);
      product(true, rows, fromDs, stride, q + <usize>first * strideQkv, strideQkv, steps, dk, strideQkv, headDim);
      product(true, rows, fromP, stride, dout + <usize>first * strideOut, strideOut, steps, dv, strideQkv, headDim);
      for (let r: i32 = 0; r < rows; r++) {
        const row = dk + <usize>r * strideQkv;
        const seen = firstQuery(sequence, j + r);
        if (seen <= first || !(holdsNaN(row, headDim) || holdsNaN(at(row, width), headDim))) continue;
        const left = max(0, count - seen);
        const share = seen * padded + j + r;
        product(true, 1, at(ds, share), stride, q + <usize>seen * strideQkv, strideQkv, left, row, strideQkv, headDim);
        const values = at(row, width);
        product(true, 1, at(p, share), stride, dout + <usize>seen * strideOut, strideOut, left, values, strideQkv, headDim);
      }
    }
  }
}
