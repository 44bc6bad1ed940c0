/** WGSL of moving and summing rows by index; an index outside of the table names no row. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanesByWidth, multiplesOfFour, sumLoop } from '../wgsl.js';

export function gatherRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  return lanesByWidth(
    target,
    ['rows', 'cols'],
    multiplesOfFour('cols'),
    w => `let cols = params.cols / ${w.size}u;
  let at = u32(load_index(i / cols)); // what is negative becomes large
  var value = ${w.value}(0.0);
  if (at < params.tableRows) { value = ${w.load}_table(at * cols + i % cols); }
  ${w.store}_y(i, value);`,
  );
}

export function scatterRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  return lanesByWidth(
    target,
    ['rows', 'cols'],
    multiplesOfFour('cols', 'stride', 'offset'),
    w => `let cols = params.cols / ${w.size}u;
  let row = i / cols;
  let at = u32(load_index(row));
  let source = (row * params.stride + params.offset) / ${w.size}u + i % cols;
  if (at < params.tableRows) { ${w.store}_y(at * cols + i % cols, ${w.load}_x(source)); }`,
  );
}

/** A lane owns some columns of one table row and reads all indices: no atomics, a fixed order, f32 sums. */
export function scatterAddRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  return lanesByWidth(
    target,
    ['tableRows', 'cols'],
    multiplesOfFour('cols'),
    w => `let cols = params.cols / ${w.size}u;
  let wanted = i32(i / cols);
  ${sumLoop(w.value, ['total'], `if (load_index(row) == wanted) { total += ${w.load}_x(row * cols + i % cols); }`, {
    begin: '0u',
    end: 'params.rows',
    step: '1u',
    j: 'row',
  })}
  ${w.store}_table(i, total);`,
  );
}
