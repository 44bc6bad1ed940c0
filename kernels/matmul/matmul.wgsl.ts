/**
 * WGSL of matrix multiplication.
 *
 * `software`: every lane keeps an 8 x 8 tile of C in registers; no workgroup memory, no barriers (a processor has real
 * caches, and pays for both). `gpu`: a workgroup of 16 x 16 lanes stages 64 x 16 and 16 x 64 tiles of A and B in
 * workgroup memory, and every lane keeps 4 x 4 of the 64 x 64 tile of C.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { grid, lanePass } from '../wgsl.js';
import type { MatmulVariant } from './matmul.js';

type Params = Readonly<Record<string, number>>;

export function matmulWgsl(variant: MatmulVariant, target: WgslTarget): readonly WgslPass[] {
  if (target.profile === 'gpu') return [tiled(variant)];
  return [registers(variant, target, true), registers(variant, target, false)];
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const lines = (text: readonly string[], indent = '  ') => text.join(`\n${indent}`);

/** WGSL statements that take `value` (f32, or vec4f with four = true) through bias, activation and residual and store it. */
function epilogue(
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
  if (activation === 'relu') sum = `max(${sum}, ${four ? 'vec4f(0.0)' : '0.0'})`;
  if (residual) sum = `${sum} + ${load}_residual(${index(at)})`;
  return `${four ? 'store4' : 'store'}_c(${index(at)}, ${sum});`;
}

const tileRows = 8;
const tileColumns = 8;

/**
 * Rows and columns beyond the edge are clamped to the last one: computed twice, stored never. `four`: rows of B and C are
 * read and written by vec4, which asks for n (and the batch stride of B) in multiples of four.
 */
function registers(variant: MatmulVariant, target: WgslTarget, four: boolean): WgslPass {
  const { layout } = variant;
  const aligned = (p: Params) => p['n']! % 4 === 0 && p['strideB']! % 4 === 0;
  const count = (p: Params) => p['batch']! * ceilDivide(p['m']!, tileRows) * ceilDivide(p['n']!, tileColumns);
  const rows = range(tileRows);
  const columns = range(tileColumns);
  const halves = range(tileColumns / 4);

  const loadB = () => {
    if (layout === 'nt') {
      const column = (h: number, c: number) => `load_b(b${4 * h + c} + l)`;
      return halves.map(
        h =>
          `let y${h} = vec4f(${range(4)
            .map(c => column(h, c))
            .join(', ')});`,
      );
    }
    if (four) return halves.map(h => `let y${h} = load4_b(b${h} + l * (params.n / 4u));`);
    return halves.map(
      h =>
        `let y${h} = vec4f(${range(4)
          .map(c => `load_b(b${4 * h + c} + l * params.n)`)
          .join(', ')});`,
    );
  };
  const lastColumn = (c: number) => `min(column + ${c}u, params.n - 1u)`;
  const startB = () => {
    if (layout === 'nt') return columns.map(c => `let b${c} = z * params.strideB + ${lastColumn(c)} * params.k;`);
    if (four) return halves.map(h => `let b${h} = (z * params.strideB + min(column + ${4 * h}u, params.n - 4u)) / 4u;`);
    return columns.map(c => `let b${c} = z * params.strideB + ${lastColumn(c)};`);
  };
  const lastRow = (r: number) => `min(row + ${r}u, params.m - 1u)`;
  const startA = rows.map(r =>
    layout === 'tn'
      ? `let a${r} = z * params.strideA + ${lastRow(r)};`
      : `let a${r} = z * params.strideA + ${lastRow(r)} * params.k;`,
  );
  const loadA = rows.map(r => `let x${r} = load_a(a${r} + l${layout === 'tn' ? ' * params.m' : ''});`);
  const products = rows.flatMap(r => halves.map(h => `c${r}${h} = fma(vec4f(x${r}), y${h}, c${r}${h});`));

  const store = (r: number) => {
    const at = '(z * params.m + r) * params.n';
    const stores = four
      ? halves.map(
          h =>
            `if (column + ${4 * h}u < params.n) { ${epilogue(variant, true, `c[${h}]`, `${at} + column + ${4 * h}u`, `column + ${4 * h}u`)} }`,
        )
      : [
          `for (var j = 0u; j < ${tileColumns}u && column + j < params.n; j++) { ${epilogue(variant, false, 'c[j / 4u][j % 4u]', `${at} + column + j`, 'column + j')} }`,
        ];
    return [`store_row(z, row + ${r}u, column, array<vec4f, 2>(c${r}0, c${r}1));`, stores] as const;
  };

  return lanePass(
    target,
    p => (aligned(p) === four ? count(p) : 0),
    `params.batch * ((params.m + ${tileRows - 1}u) / ${tileRows}u) * ((params.n + ${tileColumns - 1}u) / ${tileColumns}u)`,
    `let across = (params.n + ${tileColumns - 1}u) / ${tileColumns}u;
  let down = (params.m + ${tileRows - 1}u) / ${tileRows}u;
  let column = i % across * ${tileColumns}u;
  let row = i / across % down * ${tileRows}u;
  let z = i / across / down;
  ${lines([...startA, ...startB()])}
  ${lines(rows.flatMap(r => halves.map(h => `var c${r}${h} = vec4f(0.0);`)))}
  for (var l = 0u; l < params.k; l++) {
    ${lines([...loadB(), ...loadA, ...products], '    ')}
  }
  ${lines(rows.map(r => store(r)[0]))}`,
    {
      work: 'much',
      declarations: `fn store_row(z: u32, r: u32, column: u32, c: array<vec4f, 2>) {
  if (r >= params.m) { return; }
  ${lines(store(0)[1])}
}`,
    },
  );
}

const tile = 64;
const depth = 16;

function tiled(variant: MatmulVariant): WgslPass {
  const { layout } = variant;
  // Neighbouring lanes read neighbouring addresses: along k where rows of the operand run along k, else along m or n.
  const alongK = { a: layout !== 'tn', b: layout === 'nt' };
  const spot = (x: 'a' | 'b') =>
    alongK[x]
      ? `let k_${x} = lane % 16u; let four_${x} = lane / 16u;`
      : `let k_${x} = lane / 16u; let four_${x} = lane % 16u;`;
  return {
    body: `
var<workgroup> tile_a: array<vec4f, ${(tile / 4) * depth}>; // [k][row / 4]
var<workgroup> tile_b: array<vec4f, ${(tile / 4) * depth}>; // [k][column / 4]
fn element_a(z: u32, row: u32, k: u32) -> f32 {
  if (row >= params.m || k >= params.k) { return 0.0; }
  return load_a(z * params.strideA + ${layout === 'tn' ? 'k * params.m + row' : 'row * params.k + k'});
}
fn element_b(z: u32, k: u32, column: u32) -> f32 {
  if (column >= params.n || k >= params.k) { return 0.0; }
  return load_b(z * params.strideB + ${layout === 'nt' ? 'column * params.k + k' : 'k * params.n + column'});
}
fn store_row(z: u32, row: u32, column: u32, c: vec4f) {
  if (row >= params.m) { return; }
  for (var j = 0u; j < 4u && column + j < params.n; j++) {
    ${epilogue(variant, false, 'c[j]', '(z * params.m + row) * params.n + column + j', 'column + j')}
  }
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let across = (params.n + ${tile - 1}u) / ${tile}u;
  let down = (params.m + ${tile - 1}u) / ${tile}u;
  let index = workgroup_index(group);
  let z = index / across / down;
  if (z >= params.batch) { return; }
  let row0 = index / across % down * ${tile}u;
  let column0 = index % across * ${tile}u;
  ${spot('a')}
  ${spot('b')}
  let x = lane % 16u;
  let y = lane / 16u;
  ${lines(range(4).map(r => `var c${r} = vec4f(0.0);`))}
  for (var k0 = 0u; k0 < params.k; k0 += ${depth}u) {
    workgroupBarrier(); // nobody reads the previous tiles any more
    tile_a[k_a * 16u + four_a] = vec4f(${range(4)
      .map(r => `element_a(z, row0 + 4u * four_a + ${r}u, k0 + k_a)`)
      .join(', ')});
    tile_b[k_b * 16u + four_b] = vec4f(${range(4)
      .map(c => `element_b(z, k0 + k_b, column0 + 4u * four_b + ${c}u)`)
      .join(', ')});
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      let a = tile_a[k * 16u + y];
      let b = tile_b[k * 16u + x];
      ${lines(
        range(4).map(r => `c${r} = fma(vec4f(a[${r}]), b, c${r});`),
        '      ',
      )}
    }
  }
  ${lines(range(4).map(r => `store_row(z, row0 + 4u * y + ${r}u, column0 + 4u * x, c${r});`))}
}`,
    workgroups: p => grid(p['batch']! * ceilDivide(p['m']!, tile) * ceilDivide(p['n']!, tile)),
  };
}
