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

/** `x > total ? x : total`, or the sum. */
@inline
function combine(max: bool, total: v128, x: v128): v128 {
  return max ? f32x4.pmax(total, x) : f32x4.add(total, x);
}

/** One unit is one row of x if inner is 1, else columnsPerUnit columns of one matrix [axis, inner]. */
@inline
function reduceLoop(max: bool, args: ReduceArgs, begin: i32, end: i32): void {
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
  const start = f32x4.splat(max ? -Infinity : 0);
  for (let unit = begin; unit < end; unit++) {
    const o = unit / blocks;
    const first = (unit - o * blocks) * columnsPerUnit;
    const last = min(inner, first + columnsPerUnit);
    for (let j = first; j < last; j += 16) {
      let x = at(args.x, o * axis * inner + j);
      let t0 = start;
      let t1 = start;
      let t2 = start;
      let t3 = start;
      for (let i: i32 = 0; i < axis; i++, x += stride) {
        t0 = combine(max, t0, v128.load(x));
        t1 = combine(max, t1, v128.load(x, 16));
        t2 = combine(max, t2, v128.load(x, 32));
        t3 = combine(max, t3, v128.load(x, 48));
      }
      const y = at(args.y, o * inner + j);
      storeLanes(y, t0, last - j);
      storeLanes(y + 16, t1, last - j - 4);
      storeLanes(y + 32, t2, last - j - 8);
      storeLanes(y + 48, t3, last - j - 12);
    }
  }
}

export function reduce_sum(args: ReduceArgs, begin: i32, end: i32, scratch: usize): void {
  reduceLoop(false, args, begin, end);
}

export function reduce_max(args: ReduceArgs, begin: i32, end: i32, scratch: usize): void {
  reduceLoop(true, args, begin, end);
}
