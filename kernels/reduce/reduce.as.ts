// Sums and maxima along the middle axis of [outer, axis, inner].
import { at, storeLanes } from '../wasm/simd.as';
import { rowMax, rowSum } from '../wasm/row.as';

@unmanaged
class ReduceArgs {
  x: usize;
  y: usize;
  outer: i32;
  axis: i32;
  inner: i32;
  columnsPerUnit: i32;
}

/** The larger one, NaN if one is NaN; or the sum. */
@inline
function combine(max: bool, total: v128, x: v128): v128 {
  return max ? f32x4.max(total, x) : f32x4.add(total, x);
}

/** Rows that are summed one after another, see `sumBlock`. */
const rowBlock = 128;
/** Bytes of 16 columns. */
const columnBytes: usize = 64;

/**
 * Sums or maxima of n rows of 16 columns, `stride` bytes apart: more than a block by halves. Each level of them needs
 * 64 bytes behind `y`.
 */
function reduceColumns(max: bool, x: usize, stride: usize, n: i32, y: usize): void {
  if (n <= rowBlock) {
    if (max) reduceBlock(true, x, stride, n, y);
    else reduceBlock(false, x, stride, n, y);
    return;
  }
  const half = (n / 2 + rowBlock - 1) & ~(rowBlock - 1);
  reduceColumns(max, x, stride, half, y);
  reduceColumns(max, x + <usize>half * stride, stride, n - half, y + columnBytes);
  for (let end = y + columnBytes; y < end; y += 16)
    v128.store(y, combine(max, v128.load(y), v128.load(y + columnBytes)));
}

@inline
function reduceBlock(max: bool, x: usize, stride: usize, n: i32, y: usize): void {
  let t0 = f32x4.splat(max ? -Infinity : 0);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  for (let i: i32 = 0; i < n; i++, x += stride) {
    t0 = combine(max, t0, v128.load(x));
    t1 = combine(max, t1, v128.load(x, 16));
    t2 = combine(max, t2, v128.load(x, 32));
    t3 = combine(max, t3, v128.load(x, 48));
  }
  v128.store(y, t0);
  v128.store(y, t1, 16);
  v128.store(y, t2, 32);
  v128.store(y, t3, 48);
}

/** One unit is one row of x if inner is 1, else columnsPerUnit columns of one matrix [axis, inner]. */
@inline
function reduceLoop(max: bool, args: ReduceArgs, begin: i32, end: i32, scratch: usize): void {
  const axis = args.axis;
  const inner = args.inner;
  if (inner == 1) {
    for (let row = begin; row < end; row++) {
      const x = at(args.x, row * axis);
      store<f32>(at(args.y, row), max ? rowMax(x, axis) : rowSum(x, axis));
    }
    return;
  }
  const columnsPerUnit = args.columnsPerUnit;
  const blocks = (inner + columnsPerUnit - 1) / columnsPerUnit;
  const stride = (<usize>inner) << 2;
  for (let unit = begin; unit < end; unit++) {
    const o = unit / blocks;
    const first = (unit - o * blocks) * columnsPerUnit;
    const last = min(inner, first + columnsPerUnit);
    for (let j = first; j < last; j += 16) {
      reduceColumns(max, at(args.x, o * axis * inner + j), stride, axis, scratch);
      const y = at(args.y, o * inner + j);
      for (let i: i32 = 0; i < 16; i += 4) storeLanes(at(y, i), v128.load(at(scratch, i)), last - j - i);
    }
  }
}

export function reduce_sum(args: ReduceArgs, begin: i32, end: i32, scratch: usize): void {
  reduceLoop(false, args, begin, end, scratch);
}

export function reduce_max(args: ReduceArgs, begin: i32, end: i32, scratch: usize): void {
  reduceLoop(true, args, begin, end, scratch);
}
