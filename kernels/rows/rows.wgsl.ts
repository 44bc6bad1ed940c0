/** WGSL of moving and summing rows by index. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanesByWidth, multiplesOfFour } from '../wgsl.js';

export function gatherRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  return lanesByWidth(
    target,
    ['rows', 'cols'],
    multiplesOfFour('cols'),
    w => `let cols = params.cols / ${w.size}u;
  let at = load_index(i / cols);
  var value = ${w.value}(0.0);
  if (at >= 0) { value = ${w.load}_table(u32(at) * cols + i % cols); }
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
  let at = load_index(row);
  let source = (row * params.stride + params.offset) / ${w.size}u + i % cols;
  if (at >= 0) { ${w.store}_y(u32(at) * cols + i % cols, ${w.load}_x(source)); }`,
  );
}

export function scatterAddRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  const aligned = multiplesOfFour('cols');
  // A lane owns some columns of the whole table and adds row after row into memory: few lanes, but the least work.
  if (target.profile === 'software' && target.dtypes['table'] === 'f32')
    return lanesByWidth(
      target,
      ['cols'],
      aligned,
      w => `let cols = params.cols / ${w.size}u;
  for (var r = 0u; r < params.tableRows; r++) { ${w.store}_table(r * cols + i, ${w.value}(0.0)); }
  for (var row = 0u; row < params.rows; row++) {
    let at = load_index(row);
    if (at >= 0) {
      let to = u32(at) * cols + i;
      ${w.store}_table(to, ${w.load}_table(to) + ${w.load}_x(row * cols + i));
    }
  }`,
      { work: 'much' },
    );
  // A lane owns some columns of one table row and reads all indices: no atomics, a fixed order, f32 sums.
  return lanesByWidth(
    target,
    ['tableRows', 'cols'],
    aligned,
    w => `let cols = params.cols / ${w.size}u;
  let wanted = i32(i / cols);
  var total = ${w.value}(0.0);
  for (var row = 0u; row < params.rows; row++) {
    if (load_index(row) == wanted) { total += ${w.load}_x(row * cols + i % cols); }
  }
  ${w.store}_table(i, total);`,
  );
}
