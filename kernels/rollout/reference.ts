/** What the references of decoding share: one row at a time, in f64. */
import { attendRow } from '../attention/reference.js';
import type { NumberArray } from '../dtype.js';
import { rowMean } from '../layer-norm/layer-norm.js';

/** A row of activations. */
export type Row = Float64Array<ArrayBuffer>;

/** Layer norm of a row. */
export function normRow(x: Row, gain: NumberArray, shift: NumberArray, eps: number): Row {
  const mean = rowMean(x);
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  return x.map((v, c) => ((v - mean) / Math.sqrt(variance + eps)) * gain[c]! + shift[c]!);
}

/** x weight + bias, weight (x.length, outputs). */
export function linearRow(x: Row, weight: NumberArray, bias: NumberArray, outputs: number): Row {
  return Float64Array.from({ length: outputs }, (_, n) => {
    let sum = bias[n]!;
    for (let k = 0; k < x.length; k++) sum += x[k]! * weight[k * outputs + n]!;
    return sum;
  });
}

export function addRows(a: Row, b: NumberArray): Row {
  return a.map((v, c) => v + b[c]!);
}

/** Number `c` of a row of `table` that begins `from` rows down and has `rows` rows of `width`; 0 for a row it lacks. */
export function vectorAt(table: NumberArray, width: number, from: number, rows: number, row: number, c: number) {
  return row >= 0 && row < rows ? table[(from + row) * width + c]! : 0;
}

/** The row of a sequence's part of the cache that the token of a column has; -1 where there is none. */
export function cacheRow(prefix: number, column: number, capacity: number): number {
  return prefix >= 0 && column >= 0 && prefix + column < capacity ? prefix + column : -1;
}

/**
 * Attention of a new row `qkv` (3 * width) to all rows of its sequence. Its keys and values become row `last` of
 * `cache`, the sequence's part of it with 2 * width numbers a row; if `last` is -1 it attends to nothing: zeros.
 */
export function attendLast(qkv: NumberArray, cache: NumberArray, last: number, heads: number): Row {
  const width = qkv.length / 3;
  const headDim = width / heads;
  if (last >= 0) cache.set(qkv.subarray(width), last * 2 * width);
  const out = new Float64Array(width);
  for (let at = 0; at < width; at += headDim) {
    const seen = { kv: cache, key: (j: number) => j * 2 * width + at, value: width, visible: last + 1 };
    attendRow(qkv, at, seen, 1 / Math.sqrt(headDim), out, at, headDim);
  }
  return out;
}
