// Moving whole rows by index. An index outside of the table names no row.
import { clearRow, copyRow } from '../wasm/row.as';
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
  tableRows: i32;
}

/** y[i] = table[index[i]], zeros where there is no such row. */
export function gather_rows(args: GatherRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stop = min(args.rows, end * rowsPerUnit);
  for (let i = begin * rowsPerUnit; i < stop; i++) {
    const from = load<i32>(at(args.index, i));
    const y = at(args.y, i * cols);
    if (<u32>from < <u32>args.tableRows) {
      copyRow(y, at(args.table, from * cols), cols);
    } else {
      clearRow(y, cols);
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
  /** Where the rows of each table row end in `lists`. */
  ends: usize;
}

/** One unit: which rows go to which table row, in their order, as lists one after another behind `ends`. */
export function scatter_add_lists(args: ScatterAddRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const tableRows = args.tableRows;
  const ends = args.ends;
  const lists = at(ends, tableRows);
  memory.fill(ends, 0, <usize>tableRows << 2);
  for (let i: i32 = 0; i < args.rows; i++) {
    const into = load<i32>(at(args.index, i));
    if (<u32>into < <u32>tableRows) store<i32>(at(ends, into), load<i32>(at(ends, into)) + 1);
  }
  let before: i32 = 0;
  for (let t: i32 = 0; t < tableRows; t++) {
    const count = load<i32>(at(ends, t));
    store<i32>(at(ends, t), before); // where the list begins, and as it is filled where it ends
    before += count;
  }
  for (let i: i32 = 0; i < args.rows; i++) {
    const into = load<i32>(at(args.index, i));
    if (<u32>into >= <u32>tableRows) continue;
    const place = load<i32>(at(ends, into));
    store<i32>(at(lists, place), i);
    store<i32>(at(ends, into), place + 1);
  }
}

/** Rows that are summed one after another, see `sumBlock`. */
const rowBlock = 128;

/** y = sum of four columns of x over the n rows of a list, more than a block by halves. */
function sumListed(x: usize, stride: usize, list: usize, n: i32, y: usize): void {
  if (n > rowBlock) {
    const half = n / 2;
    sumListed(x, stride, list, half, y);
    sumListed(x, stride, at(list, half), n - half, y + 16);
    v128.store(y, f32x4.add(v128.load(y), v128.load(y, 16)));
    return;
  }
  let sum = f32x4.splat(0);
  for (const stop = at(list, n); list < stop; list += 4) sum = f32x4.add(sum, v128.load(x + <usize>load<i32>(list) * stride));
  v128.store(y, sum);
}

/** One unit sums columnsPerUnit columns of all table rows. */
export function scatter_add_rows(args: ScatterAddRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stride = (<usize>cols) << 2;
  const lists = at(args.ends, args.tableRows);
  const last = min(cols, end * args.columnsPerUnit);
  let first: i32 = 0;
  for (let t: i32 = 0; t < args.tableRows; t++) {
    const stop = load<i32>(at(args.ends, t));
    for (let j = begin * args.columnsPerUnit; j < last; j += 4) {
      sumListed(at(args.x, j), stride, at(lists, first), stop - first, scratch);
      storeLanes(at(args.table, t * cols + j), v128.load(scratch), last - j);
    }
    first = stop;
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
  tableRows: i32;
}

/** y[index[i]] = x[i, offset..offset + cols] where y has such a row. */
export function scatter_rows(args: ScatterRowsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const stop = min(args.rows, end * rowsPerUnit);
  for (let i = begin * rowsPerUnit; i < stop; i++) {
    const into = load<i32>(at(args.index, i));
    if (<u32>into >= <u32>args.tableRows) continue;
    copyRow(at(args.y, into * cols), at(args.x, i * args.stride + args.offset), cols);
  }
}
