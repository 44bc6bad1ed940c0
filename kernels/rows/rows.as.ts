// Moving whole rows by index.
import { at, storeLanes } from '../wasm/simd.as';

/** Rows per unit of work: must agree with rows.ts. */
const rowsPerUnit = 32;

@unmanaged
class GatherRowsArgs {
  table: usize;
  index: usize;
  y: usize;
  rows: i32;
  cols: i32;
}

/** y[i] = table[index[i]], zeros where the index is negative. */
export function gather_rows(args: GatherRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stop = min(args.rows, end * rowsPerUnit);
  for (let i = begin * rowsPerUnit; i < stop; i++) {
    const from = load<i32>(at(args.index, i));
    const y = at(args.y, i * cols);
    if (from >= 0) {
      const row = at(args.table, from * cols);
      for (let j: i32 = 0; j < cols; j += 4) storeLanes(at(y, j), v128.load(at(row, j)), cols - j);
    } else {
      for (let j: i32 = 0; j < cols; j += 4) storeLanes(at(y, j), f32x4.splat(0), cols - j);
    }
  }
}

@unmanaged
class ScatterAddRowsArgs {
  x: usize;
  index: usize;
  table: usize;
  rows: i32;
  cols: i32;
  tableRows: i32;
  columnsPerUnit: i32;
}

/** One unit sums columnsPerUnit columns of all rows, in the order of the rows. */
export function scatter_add_rows(args: ScatterAddRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const first = begin * args.columnsPerUnit;
  const last = min(cols, end * args.columnsPerUnit);
  for (let t: i32 = 0; t < args.tableRows; t++) {
    const row = at(args.table, t * cols);
    for (let j = first; j < last; j += 4) storeLanes(at(row, j), f32x4.splat(0), last - j);
  }
  for (let i: i32 = 0; i < args.rows; i++) {
    const into = load<i32>(at(args.index, i));
    if (into < 0) continue;
    const row = at(args.table, into * cols);
    const x = at(args.x, i * cols);
    for (let j = first; j < last; j += 4)
      storeLanes(at(row, j), f32x4.add(v128.load(at(row, j)), v128.load(at(x, j))), last - j);
  }
}

@unmanaged
class ScatterRowsArgs {
  x: usize;
  index: usize;
  y: usize;
  rows: i32;
  cols: i32;
  stride: i32;
  offset: i32;
}

/** y[index[i]] = x[i, offset..offset + cols] where the index is not negative. */
export function scatter_rows(args: ScatterRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stop = min(args.rows, end * rowsPerUnit);
  for (let i = begin * rowsPerUnit; i < stop; i++) {
    const into = load<i32>(at(args.index, i));
    if (into < 0) continue;
    const x = at(args.x, i * args.stride + args.offset);
    const y = at(args.y, into * cols);
    for (let j: i32 = 0; j < cols; j += 4) storeLanes(at(y, j), v128.load(at(x, j)), cols - j);
  }
}
