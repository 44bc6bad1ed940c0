/** What the rungs share: how operands lie, what happens to a sum before it is stored, and the order of tiles. */
import type { MatmulVariant } from './variant.js';

export type Params = Readonly<Record<string, number>>;

export const range = (count: number) => Array.from({ length: count }, (_, i) => i);
export const lines = (text: readonly string[], indent = '  ') => text.join(`\n${indent}`);

/** True if rows of an operand run along k: A except in `tn`, B in `nt`. */
export function runsAlongK(layout: MatmulVariant['layout'], operand: 'a' | 'b'): boolean {
  return operand === 'a' ? layout !== 'tn' : layout === 'nt';
}

/** True if rows of A, B and C in memory, and matrices of a batch, are multiples of `length` elements long. */
export function rowsAreMultiples({ layout }: MatmulVariant, length: number, p: Params): boolean {
  const rowA = runsAlongK(layout, 'a') ? p['k']! : p['m']!;
  const rowB = runsAlongK(layout, 'b') ? p['k']! : p['n']!;
  return [rowA, rowB, p['n']!, p['strideA']!, p['strideB']!].every(size => size % length === 0);
}

/**
 * WGSL statement that takes a sum through bias, activation and residual, and stores it.
 * @param four true: `value` is a vec4f, and `at` and `column` are multiples of four; false: an f32
 * @param value WGSL: the sum
 * @param at WGSL: its index in C
 * @param column WGSL: its column in C
 */
export function epilogue(
  { bias, activation, residual }: MatmulVariant,
  four: boolean,
  value: string,
  at: string,
  column: string,
): string {
  const load = four ? 'load4' : 'load';
  const index = (i: string) => (four ? `(${i}) / 4u` : i);
  let sum = value;
  if (bias) sum = `${sum} + ${load}_bias(${index(column)})`;
  if (activation === 'relu') sum = four ? `larger4(${sum}, vec4f(0.0))` : `larger(${sum}, 0.0)`;
  if (residual) sum = `${sum} + ${load}_residual(${index(at)})`;
  return `${four ? 'store4' : 'store'}_c(${index(at)}, ${sum});`;
}

/** Tiles of C taken down a column before the order moves right. */
const tilesDown = 8;

/**
 * WGSL: `z`, `row0` and `column0` of the tile of C that a workgroup computes. Tiles are taken in groups of eight rows,
 * column by column, so that workgroups that run at the same time read the same parts of A and B and find them in the
 * cache.
 */
export function tileOrigin(tileM: number, tileN: number): string {
  return `let across = (params.n + ${tileN - 1}u) / ${tileN}u;
  let down = (params.m + ${tileM - 1}u) / ${tileM}u;
  let tile_index = workgroup_index(vec3u(group.xy, 0u));
  let z = tile_index / across / down;
  if (z >= params.batch) { return; }
  let in_matrix = tile_index % (across * down);
  let first_down = in_matrix / (${tilesDown}u * across) * ${tilesDown}u;
  let high = min(down - first_down, ${tilesDown}u);
  let in_group = in_matrix - first_down * across;
  let row0 = (first_down + in_group % high) * ${tileM}u;
  let column0 = in_group / high * ${tileN}u;`;
}
