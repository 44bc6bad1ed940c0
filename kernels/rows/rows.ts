/**
 * Moves whole rows by index: embeddings, positions, image features into their places, rows to the head, keys and values
 * into the cache.
 */
import { ceilDivide, defineKernel, given, reads, updates, writes } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { gatherRowsWgsl, scatterAddRowsWgsl, scatterRowsWgsl } from './rows.wgsl.js';

/** Indices of rows, and some of none. */
function exampleIndices(draw: Draw, count: number, tableRows: number): number[] {
  const outside = [-1, tableRows, tableRows + 1000, -(2 ** 31), 2 ** 31 - 1];
  return Array.from({ length: count }, () =>
    draw.integer(0, 5) === 0 ? draw.pick(outside) : draw.integer(0, tableRows - 1),
  );
}

/** True if a table has the row that an index names. */
const hasRow = (tableRows: number, index: number) => index >= 0 && index < tableRows;

/** y[i] = x[indices[i]], rows of [rows, cols]; zeros for an index outside of x. */
export const gatherRowsKernel = defineKernel({
  name: 'gather_rows',
  summary: 'y[rows, cols]: y[i] = table[index[i]], zeros where the index is not that of one of the tableRows',
  buffers: { table: reads.float, index: reads.index, y: writes.float },
  params: { rows: 'u32', cols: 'u32', tableRows: 'u32' },
  reference({ table, index, y }, { rows, cols, tableRows }) {
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) y[i * cols + j] = hasRow(tableRows, index[i]!) ? table[index[i]! * cols + j]! : 0;
  },
  cost: ({ rows, cols }) => ({ flops: 0, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'gather_rows', units: ceilDivide(rows, 32) }] }),
  wgsl: gatherRowsWgsl,
  example(draw) {
    const rows = draw.pick([1, 5, 33, 100]);
    const cols = draw.pick([1, 6, 64, 100]);
    const tableRows = draw.pick([1, 7, 128]);
    return {
      params: { rows, cols, tableRows },
      lengths: { table: tableRows * cols, index: rows, y: rows * cols },
      fills: { index: given(exampleIndices(draw, rows, tableRows)) },
    };
  },
  tolerance: 0,
});

/** Columns of the table that one unit of work sums: units never share an element, so no atomics and a fixed order. */
const columnsPerUnit = 16;

/** Gradient of a gather: adds rows to those they came from, in a fixed order. */
export const scatterAddRowsKernel = defineKernel({
  name: 'scatter_add_rows',
  summary:
    'table[tableRows, cols] = sum of x[i] over the rows i whose index names that table row, in the order of i and in blocks',
  buffers: { x: reads.float, index: reads.index, table: writes.float },
  params: { rows: 'u32', cols: 'u32', tableRows: 'u32' },
  reference({ x, index, table }, { rows, cols, tableRows }) {
    const sums = new Float64Array(tableRows * cols);
    for (let i = 0; i < rows; i++) {
      const at = index[i]!;
      if (hasRow(tableRows, at)) for (let j = 0; j < cols; j++) sums[at * cols + j]! += x[i * cols + j]!;
    }
    table.set(sums);
  },
  cost: ({ rows, cols, tableRows }) => ({ flops: rows * cols, elements: (rows + tableRows) * cols }),
  wasm: ({ rows, cols, tableRows }) => ({
    passes: [
      { fn: 'scatter_add_lists', units: 1 },
      { fn: 'scatter_add_rows', units: ceilDivide(cols, columnsPerUnit), threadScratch: 16 * 32 },
    ],
    constants: [columnsPerUnit],
    sharedScratch: 4 * (tableRows + rows),
  }),
  wgsl: scatterAddRowsWgsl,
  example(draw) {
    const rows = draw.pick([1, 5, 33, 200, 700]);
    const cols = draw.pick([1, 6, 64, 100]);
    const tableRows = draw.pick([1, 7, 128]);
    return {
      params: { rows, cols, tableRows },
      lengths: { x: rows * cols, index: rows, table: tableRows * cols },
      fills: { index: given(exampleIndices(draw, rows, tableRows)) },
    };
  },
  tolerance: 5e-6,
});

/** Writes rows to the places that indices name; those must differ. */
export const scatterRowsKernel = defineKernel({
  name: 'scatter_rows',
  summary:
    'y[index[i], 0..cols] = x[i, offset..offset+cols] for rows with an index below tableRows, all different; x has `stride` ' +
    'columns; other rows of y keep their values',
  buffers: { x: reads.float, index: reads.index, y: updates.float },
  params: { rows: 'u32', cols: 'u32', stride: 'u32', offset: 'u32', tableRows: 'u32' },
  reference({ x, index, y }, { rows, cols, stride, offset, tableRows }) {
    for (let i = 0; i < rows; i++)
      if (hasRow(tableRows, index[i]!))
        for (let j = 0; j < cols; j++) y[index[i]! * cols + j] = x[i * stride + offset + j]!;
  },
  cost: ({ rows, cols }) => ({ flops: 0, elements: 2 * rows * cols }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'scatter_rows', units: ceilDivide(rows, 32) }] }),
  wgsl: scatterRowsWgsl,
  example(draw) {
    const rows = draw.pick([1, 5, 33]);
    const cols = draw.pick([1, 6, 64]);
    const offset = draw.pick([0, 3, 64]);
    const stride = offset + cols + draw.pick([0, 5]);
    const targets = Array.from({ length: rows }, (_, i) =>
      draw.pick([0, 0, 1]) ? draw.pick([-1, rows + 2, 2 ** 31 - 1]) : i,
    );
    targets.sort((a, b) => b - a);
    return {
      params: { rows, cols, stride, offset, tableRows: rows + 2 },
      lengths: { x: rows * stride, index: rows, y: (rows + 2) * cols },
      fills: { index: given(targets) },
    };
  },
  tolerance: 0,
});
