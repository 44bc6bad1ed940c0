// Sums and maxima along the middle axis of [outer, axis, inner].
import { at, storeLanes } from '../wasm/simd.as';
import { reduceColumns, rowMax, rowSum } from '../wasm/row.as';

@unmanaged
class ReduceArgs {
  x: usize;
  y: usize;
  outer: i32;
  axis: i32;
  inner: i32;
  columnsPerUnit: i32;
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
