/** WGSL of moving and summing rows by index; an index outside of the table names no row. */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, lanePass, lanesByWidth, multiplesOfFour, sumLoop } from '../wgsl.js';

type Params = Readonly<Record<string, number>>;

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

/** Rows that a lane adds up one after another, at least. */
const chunkRows = 128;

/**
 * Rows are taken in chunks. First a lane adds its columns of one chunk to a table of that chunk's own; then a lane adds
 * up what the chunks have for its columns of a table row. No atomics, a fixed order, f32 sums. A chunk has at least as
 * many rows as the table, so the chunks' tables are no larger than x, and the work grows with its rows alone.
 */
export function scatterAddRowsWgsl(target: WgslTarget): readonly WgslPass[] {
  const chunksOf = (p: Params) => ceilDivide(p['rows']!, Math.max(chunkRows, p['tableRows']!));
  const scratch = (p: Params) => chunksOf(p) * p['tableRows']! * p['cols']!;
  const declarations = `fn chunk() -> u32 { return max(${chunkRows}u, params.tableRows); }
fn chunks() -> u32 { return (params.rows + chunk() - 1u) / chunk(); }`;
  const chunkTables = byWidth(multiplesOfFour('cols'), w =>
    lanePass(
      target,
      p => (chunksOf(p) * p['cols']!) / w.size,
      `chunks() * params.cols / ${w.size}u`,
      `let cols = params.cols / ${w.size}u;
  let j = i % cols;
  let first = i / cols * chunk();
  let table = i / cols * params.tableRows * cols + j;
  for (var t = 0u; t < params.tableRows; t++) { ${w.store}_scratch(table + t * cols, ${w.value}(0.0)); }
  for (var row = first; row < min(params.rows, first + chunk()); row++) {
    let at = u32(load_index(row)); // what is negative becomes large
    if (at < params.tableRows) {
      let into = table + at * cols;
      ${w.store}_scratch(into, ${w.load}_scratch(into) + ${w.load}_x(row * cols + j));
    }
  }`,
      { declarations },
    ),
  );
  const joined = lanesByWidth(
    target,
    ['tableRows', 'cols'],
    multiplesOfFour('cols'),
    w => `let elements = params.tableRows * params.cols / ${w.size}u;
  ${sumLoop(w.value, ['total'], `total += ${w.load}_scratch(c * elements + i);`, {
    begin: '0u',
    end: 'chunks()',
    step: '1u',
    j: 'c',
  })}
  ${w.store}_table(i, total);`,
    { declarations },
  );
  return [...chunkTables, ...joined].map(pass => ({ ...pass, scratch }));
}
