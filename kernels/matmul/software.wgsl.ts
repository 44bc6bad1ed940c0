/**
 * Matrix multiplication for software adapters: every lane keeps an 8 x 8 tile of C in registers; no workgroup memory, no barriers (a
 * processor has real caches, and pays for both).
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass } from '../wgsl.js';
import { epilogue, lines, range } from './epilogue.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulVariant } from './matmul.js';

export function softwarePasses(variant: MatmulVariant, target: WgslTarget): readonly WgslPass[] {
  return [registers(variant, target, true), registers(variant, target, false)];
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
