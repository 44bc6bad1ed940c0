// Attention as small matrix products: per sequence and head, four queries at a time against all keys that they see, so
// that scores never leave the first-level cache. The four rows of a block go through softmax side by side.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-wasm.json): 64 sequences of 56 rows,
// 4 heads of 16, forward 2.5 ms, the reference 148.
import { at, expDown4, laneMask, log4, storeLanes, sumLanes, transposeMax, transposeSum } from '../wasm/simd.as';
import { attendOne } from './attend-one.as';
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

/**
 * Packs `count` rows of k floats, times `scale`, as panels [k, 8] one after another: the transposed operand of a score
 * product.
 */
function packPanels(panels: usize, rows: usize, stride: usize, count: i32, k: i32, scale: f32): void {
  for (let j: i32 = 0; j < count; j += tileColumns)
    packTransposed(at(panels, j * k), rows + <usize>j * stride, stride, min(count - j, tileColumns), k, scale);
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
  lse: usize;
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

/** x = exp(x - max) in place; returns it. */
@inline
function expInPlace(x: usize, max: v128): v128 {
  const e = expDown4(f32x4.sub(v128.load(x), max));
  v128.store(x, e);
  return e;
}

/**
 * Four rows of scores to unnormalised probabilities exp(x - max). Stores the four reciprocals of the sums at
 * `reciprocals` and returns the logarithms of the sums of exponentials; 0 and 0 where there are no keys.
 */
function softmaxBlock(row0: usize, stride: usize, count: i32, reciprocals: usize): v128 {
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
      s0 = f32x4.add(s0, expInPlace(at(row0, j), m0));
      s1 = f32x4.add(s1, expInPlace(at(row1, j), m1));
      s2 = f32x4.add(s2, expInPlace(at(row2, j), m2));
      s3 = f32x4.add(s3, expInPlace(at(row3, j), m3));
    }
    sum = f32x4.add(sum, transposeSum(s0, s1, s2, s3));
  }
  v128.store(reciprocals, v128.and(f32x4.div(f32x4.splat(1), sum), seen));
  return v128.and(f32x4.add(max, log4(sum)), seen);
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
 * One unit is one head of one sequence. Scratch: the keys as panels, then four rows of scores, then four reciprocal
 * sums.
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
    const reciprocals = at(block, tileRows * padded);
    const q = at(args.q, sequence.queryStart * args.strideQ + h * headDim);
    const kv = at(args.kv, sequence.keyStart * args.strideKv + h * headDim);
    const values = at(kv, args.offsetV);
    const out = at(args.out, (sequence.queryStart * heads + h) * headDim);
    const lse = at(args.lse, sequence.queryStart * heads + h);
    const keys = at(kv, args.offsetK);
    if (queryCount == 1 && (headDim & 3) == 0) {
      const visible = visibleKeys(sequence, 0);
      store<f32>(lse, attendOne(q, keys, values, strideKv, visible, headDim, args.scale, block, out));
      continue;
    }
    packPanels(panels, keys, strideKv, visibleKeys(sequence, queryCount - 1), headDim, args.scale);

    for (let i: i32 = 0; i < queryCount; i += tileRows) {
      const rows = min(queryCount - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      scores(rows, q + <usize>i * strideQ, strideQ, panels, headDim, block, strideBlock, most);
      maskBlock(sequence, i, rows, block, strideBlock, most);
      // rows beyond the last query yield numbers that are never read
      let logs = softmaxBlock(block, strideBlock, most, reciprocals);
      const into = out + <usize>i * strideOut;
      product(false, rows, block, strideBlock, values, strideKv, most, into, strideOut, headDim);
      for (let r: i32 = 0; r < rows; r++) {
        store<f32>(at(lse, (i + r) * heads), f32x4.extract_lane(logs, 0));
        logs = i32x4.shuffle(logs, logs, 1, 2, 3, 0);
        const row = into + <usize>r * strideOut;
        const factor = v128.load32_splat(at(reciprocals, r));
        const visible = visibleKeys(sequence, i + r);
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
  lse: usize;
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

/** Four scores to P = exp(S - lse), in place, and four dP to dS = P (dP - delta) scale, in place. */
@inline
function gradInPlace(p: usize, ds: usize, lse: v128, delta: v128, scale: v128): void {
  const e = expInPlace(p, lse);
  v128.store(ds, f32x4.mul(f32x4.mul(e, scale), f32x4.sub(v128.load(ds), delta)));
}

/**
 * One unit is one head of one sequence. Scratch: keys and values as panels, then the matrices P and dS of all queries.
 * S = scale Q K^T, dP = dO V^T, P = exp(S - lse), dS = P (dP - delta) scale; dQ = dS K, dK = dS^T Q, dV = P^T dO.
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
    const lse = at(args.lse, sequence.queryStart * heads + h);
    packPanels(keyPanels, keys, strideQkv, keyCount, headDim, args.scale);
    packPanels(valuePanels, at(q, 2 * width), strideQkv, keyCount, headDim, 1);

    for (let i: i32 = 0; i < count; i += tileRows) {
      const rows = min(count - i, tileRows);
      const most = visibleKeys(sequence, i + rows - 1);
      const p0 = at(p, i * padded);
      const ds0 = at(ds, i * padded);
      scores(rows, q + <usize>i * strideQkv, strideQkv, keyPanels, headDim, p0, stride, most);
      scores(rows, dout + <usize>i * strideOut, strideOut, valuePanels, headDim, ds0, stride, most);
      maskBlock(sequence, i, rows, p0, stride, most);
      let lses = f32x4.splat(0);
      let deltas = f32x4.splat(0);
      for (let r = rows - 1; r >= 0; r--) {
        const row = <usize>(i + r) * strideOut;
        const delta = dotProduct(dout + row, out + row, headDim);
        // shifted in from lane 0, so that row r ends in lane r
        lses = f32x4.replace_lane(i32x4.shuffle(lses, lses, 0, 0, 1, 2), 0, load<f32>(at(lse, (i + r) * heads)));
        deltas = f32x4.replace_lane(i32x4.shuffle(deltas, deltas, 0, 0, 1, 2), 0, delta);
      }
      const lse0 = i32x4.shuffle(lses, lses, 0, 0, 0, 0);
      const lse1 = i32x4.shuffle(lses, lses, 1, 1, 1, 1);
      const lse2 = i32x4.shuffle(lses, lses, 2, 2, 2, 2);
      const lse3 = i32x4.shuffle(lses, lses, 3, 3, 3, 3);
      const delta0 = i32x4.shuffle(deltas, deltas, 0, 0, 0, 0);
      const delta1 = i32x4.shuffle(deltas, deltas, 1, 1, 1, 1);
      const delta2 = i32x4.shuffle(deltas, deltas, 2, 2, 2, 2);
      const delta3 = i32x4.shuffle(deltas, deltas, 3, 3, 3, 3);
      let j: i32 = 0;
      for (; j < most; j += 4) {
        const offset = (<usize>j) << 2;
        gradInPlace(p0 + offset, ds0 + offset, lse0, delta0, scale);
        gradInPlace(p0 + stride + offset, ds0 + stride + offset, lse1, delta1, scale);
        gradInPlace(p0 + 2 * stride + offset, ds0 + 2 * stride + offset, lse2, delta2, scale);
        gradInPlace(p0 + 3 * stride + offset, ds0 + 3 * stride + offset, lse3, delta3, scale);
      }
      // zeros as far as a tile of keys may read that starts at a key which one of these queries sees
      const stop = min(padded, most + tileRows);
      for (; j < stop; j += 4) {
        for (let r: i32 = 0; r < rows; r++) {
          v128.store(at(p0, r * padded + j), f32x4.splat(0));
          v128.store(at(ds0, r * padded + j), f32x4.splat(0));
        }
      }
      product(false, rows, ds0, stride, keys, strideQkv, most, dq + <usize>i * strideQkv, strideQkv, headDim);
    }

    for (let j: i32 = 0; j < keyCount; j += tileRows) {
      const rows = min(keyCount - j, tileRows);
      // the first query that sees key j; the ones before it contribute nothing to this block of keys
      const first = j < sequence.prefix ? 0 : max(0, j - sequence.position);
      const steps = max(0, count - first);
      const dk = at(dq + <usize>j * strideQkv, width);
      const dv = at(dk, width);
      const fromDs = at(ds, first * padded + j);
      const fromP = at(p, first * padded + j);
      product(true, rows, fromDs, stride, q + <usize>first * strideQkv, strideQkv, steps, dk, strideQkv, headDim);
      product(true, rows, fromP, stride, dout + <usize>first * strideOut, strideOut, steps, dv, strideQkv, headDim);
    }
  }
}
