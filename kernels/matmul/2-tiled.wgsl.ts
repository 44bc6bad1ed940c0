/**
 * Rung 2, tiles in workgroup memory: the product on the ordinary arithmetic units of any GPU, for f32 and f16 alike
 * (sums are f32).
 *
 * A workgroup computes one tile of C, `depth` steps of k at a time. It copies the tiles of A and B for these steps into
 * workgroup memory, both with k going down. Every lane then reads its rows of A and columns of B as vec4 and multiplies
 * them in registers. What is won:
 * - an element of A is read from memory once per tile instead of once per column, and from workgroup memory once per
 *   `columns` multiplications; likewise B;
 * - while a tile is multiplied, the next one is already on its way from memory into registers;
 * - blocks of 4 x 4 elements are read along the rows of memory, whichever way these run, and transposed in registers;
 * - edges cost nothing in the loop: rows and columns beyond C are clamped to the last one (computed twice, never
 *   stored), and steps beyond k are filled with zeros while copying.
 *
 * A long k is added in blocks of 512 steps, which takes twice the registers for sums: a variant of its own.
 *
 * Not measured on a GPU yet: `npm run bench:tune`. On llvmpipe it is a loss, 12.0 -> 5.2 GFLOP/s (see rung 1).
 */
import type { WgslPass } from '../kernel.js';
import { ceilDivide } from '../kernel.js';
import { epilogue, lines, range, runsAlongK, tileOrigin } from './epilogue.wgsl.js';
import type { MatmulVariant } from './variant.js';
import { partialOrigin, sliceBounds, sliceDepthWgsl, tileLaunch } from './split.wgsl.js';
import type { SplitGoal, TileShape } from './split.wgsl.js';

/** A tile of a product that plain arithmetic computes. */
export interface AluTile extends TileShape {
  readonly kind: 'alu';
  /** Rows and columns of C per lane: 4 or 8. */
  readonly rows: number;
  readonly columns: number;
}

export function aluName({ m, n, depth, rows, columns }: AluTile): string {
  return `alu ${m}x${n}x${depth} (${rows}x${columns})`;
}

export function aluLanes({ m, n, rows, columns }: AluTile): number {
  return (m / rows) * (n / columns);
}

/**
 * Every row of a tile in workgroup memory is one vec4 longer than needed, so that lanes that write down a column hit
 * different banks.
 */
const rowLength = (size: number) => size / 4 + 1;

export function aluWorkgroupBytes({ m, n, depth }: AluTile): number {
  return 16 * depth * (rowLength(m) + rowLength(n));
}

/** Steps along k that are added one after another: n equal numbers are off by up to n 2^-26 that way. */
export const aluBlock = 512;

/**
 * @param four operands are read by vec4: rows are multiples of four long
 * @param long k is longer than `aluBlock`
 * @param split cuts k into slices and leaves their sums to `reduceSlices`
 */
export function aluPass(
  variant: MatmulVariant,
  tile: AluTile,
  { four, long }: { readonly four: boolean; readonly long: boolean },
  split?: SplitGoal,
): WgslPass {
  const lanes = aluLanes(tile);
  const { m: tileM, n: tileN, depth, rows, columns } = tile;
  const lanesAcross = tileN / columns;
  const quads = range(rows / 4);
  const halves = range(columns / 4);
  const [lengthA, lengthB] = [rowLength(tileM), rowLength(tileN)];
  const stage = staging(variant, tile, lanes);

  const products = quads.flatMap(q =>
    range(4).flatMap(r => halves.map(h => `c${4 * q + r}${h} = fma(vec4f(a${q}[${r}]), b${h}, c${4 * q + r}${h});`)),
  );
  const sums = range(rows).flatMap(r => halves.map(h => `c${r}${h}`));
  const fold = sums.map(c => `total_${c} += ${c};`);
  const store = range(rows).flatMap(r =>
    halves.map(h => {
      const sum = `${long ? 'total_' : ''}c${r}${h}`;
      const [row, column] = [`row + ${r}u`, `column + ${4 * lanesAcross * h}u`];
      return split
        ? `store4_scratch((partial_at + (${row}) * partial_columns + ${column}) / 4u, ${sum});`
        : `store_four(z, ${row}, ${column}, ${sum});`;
    }),
  );
  const at = '(z * params.m + row) * params.n + column';
  const storeFour = four
    ? `if (column >= params.n) { return; }
  ${epilogue(variant, true, 'c', at, 'column')}`
    : `for (var j = 0u; j < 4u && column + j < params.n; j++) { ${epilogue(variant, false, 'c[j]', `${at} + j`, 'column + j')} }`;

  return {
    variant: `${aluName(tile)}${four ? '' : ' scalar'}${split ? ' split' : long ? ' long' : ''}`,
    body: `${split ? sliceDepthWgsl(tile, split) : ''}
var<workgroup> tile_a: array<vec4f, ${depth * lengthA}>; // [k][row / 4]
var<workgroup> tile_b: array<vec4f, ${depth * lengthB}>; // [k][column / 4]
${fetchBlock(variant, 'a', tile, four)}
${fetchBlock(variant, 'b', tile, four)}
${
  split
    ? ''
    : `fn store_four(z: u32, row: u32, column: u32, c: vec4f) {
  if (row >= params.m) { return; }
  ${storeFour}
}`
}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${tileOrigin(tileM, tileN)}
  ${sliceBounds(split)}
  let x = lane % ${lanesAcross}u;
  let y = lane / ${lanesAcross}u;
  ${lines(sums.map(c => `var ${c} = vec4f(0.0);${long ? ` var total_${c} = vec4f(0.0);` : ''}`))}
  ${lines(stage.declare)}
  if (begin < end) {
    ${lines(stage.fetch('begin'), '    ')}
  }
  for (var k0 = begin; k0 < end; k0 += ${depth}u) {
    workgroupBarrier(); // nobody reads the previous tiles any more
    ${lines(stage.put, '    ')}
    workgroupBarrier();
    if (k0 + ${depth}u < end) { // what is fetched here arrives while the tiles are multiplied
      ${lines(stage.fetch(`k0 + ${depth}u`), '      ')}
    }
    for (var k = 0u; k < ${depth}u; k++) {
      ${lines(
        quads.map(q => `let a${q} = tile_a[k * ${lengthA}u + y * ${quads.length}u + ${q}u];`),
        '      ',
      )}
      ${lines(
        halves.map(h => `let b${h} = tile_b[k * ${lengthB}u + x + ${lanesAcross * h}u];`),
        '      ',
      )}
      ${lines(products, '      ')}
    }
    ${
      long
        ? lines(
            [
              `if ((k0 - begin) % ${aluBlock}u == ${aluBlock - depth}u) {`,
              ...fold,
              ...sums.map(c => `${c} = vec4f(0.0);`),
              '}',
            ],
            '    ',
          )
        : ''
    }
  }
  ${long ? lines(fold) : ''}
  let row = row0 + y * ${rows}u;
  let column = column0 + x * 4u;
  ${split ? partialOrigin(tile) : ''}
  ${lines(store)}
}`,
    ...tileLaunch(tile, split),
  };
}

/**
 * Lanes take blocks of 4 x 4 elements of either tile in turn: first those of A, then those of B. Block i of a lane is
 * held in `block<i>` from its fetching to its putting.
 */
function staging({ layout }: MatmulVariant, { m: tileM, n: tileN, depth }: AluTile, lanes: number) {
  const ofA = (tileM * depth) / 16;
  const all = ofA + (tileN * depth) / 16;
  const rounds = range(ceilDivide(all, lanes));
  const put = (x: 'a' | 'b', i: number, index: string) => {
    const size = x === 'a' ? tileM : tileN;
    // the same block that fetch_a or fetch_b have read
    const [kFour, four] = runsAlongK(layout, x)
      ? [`${index} % ${depth / 4}u`, `${index} / ${depth / 4}u`]
      : [`${index} / ${size / 4}u`, `${index} % ${size / 4}u`];
    const to = `let to = ${kFour} * ${4 * rowLength(size)}u + ${four};`;
    return `{ ${to} ${range(4)
      .map(e => `tile_${x}[to + ${e * rowLength(size)}u] = block${i}[${e}];`)
      .join(' ')} }`;
  };
  /** Statement for whichever tile the lane's block of round i belongs to. */
  const choose = (i: number, statement: (x: 'a' | 'b', index: string) => string): string => {
    const index = i === 0 ? 'lane' : `(lane + ${i * lanes}u)`;
    const [first, last] = [i * lanes, Math.min((i + 1) * lanes, all)];
    const ofB = ofA === 0 ? index : `(${index} - ${ofA}u)`;
    if (last <= ofA) return statement('a', index);
    const isB =
      first >= ofA
        ? statement('b', ofB)
        : `if (${index} < ${ofA}u) { ${statement('a', index)} } else { ${statement('b', ofB)} }`;
    return (i + 1) * lanes > all ? `if (${index} < ${all}u) { ${isB} }` : isB;
  };
  return {
    declare: rounds.map(i => `var block${i}: mat4x4f;`),
    fetch: (k: string) =>
      rounds.map(i =>
        choose(i, (x, index) => `block${i} = fetch_${x}(z, ${x === 'a' ? 'row0' : 'column0'}, ${k}, ${index});`),
      ),
    put: rounds.map(i => choose(i, (x, index) => put(x, i, index))),
  };
}

/**
 * WGSL function that reads the block of 4 x 4 elements with number `index` of the tile at step `k0` and row (A) or
 * column (B) `first`: four vec4, one per step of k. Steps beyond k are zeros.
 */
function fetchBlock({ layout }: MatmulVariant, x: 'a' | 'b', { m, n, depth }: AluTile, four: boolean): string {
  const size = x === 'a' ? m : n;
  const count = x === 'a' ? 'params.m' : 'params.n';
  const base = `z * params.stride${x.toUpperCase()}`;
  const zero = four ? 'vec4f(0.0)' : '0.0';
  const load = (at: string, valid: string) =>
    `select(${zero}, ${four ? `load4_${x}((${at}) / 4u)` : `load_${x}(${at})`}, ${valid})`;
  const vector = (component: (e: number) => string) =>
    four ? component(0) : `vec4f(${range(4).map(component).join(', ')})`;
  const signature = `fn fetch_${x}(z: u32, first: u32, k0: u32, index: u32) -> mat4x4f {`;
  if (runsAlongK(layout, x)) {
    // four rows of memory, each with four steps of k; after transposing, four steps with four rows
    const step = (e: number) => (four ? 'min(k, params.k - 4u)' : `min(k + ${e}u, params.k - 1u)`);
    const row = (r: number) =>
      vector(e => load(`${base} + min(row + ${r}u, ${count} - 1u) * params.k + ${step(e)}`, `k + ${e}u < params.k`));
    return `${signature}
  let k = k0 + index % ${depth / 4}u * 4u;
  let row = first + index / ${depth / 4}u * 4u;
  return transpose(mat4x4f(
    ${range(4).map(row).join(',\n    ')}));
}`;
  }
  const column = (e: number) => (four ? `min(column, ${count} - 4u)` : `min(column + ${e}u, ${count} - 1u)`);
  const step = (r: number) =>
    vector(e => load(`${base} + min(k + ${r}u, params.k - 1u) * ${count} + ${column(e)}`, `k + ${r}u < params.k`));
  return `${signature}
  let k = k0 + index / ${size / 4}u * 4u;
  let column = first + index % ${size / 4}u * 4u;
  return mat4x4f(
    ${range(4).map(step).join(',\n    ')});
}`;
}
