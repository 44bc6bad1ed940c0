/**
 * Rung 1, registers: every lane keeps an 8 x 8 tile of C, so 16 loads serve 64 multiplications. The profile `software`
 * stops here: an adapter that is a processor has real caches, and pays for workgroup memory and barriers. What it is
 * slow at is lanes that read single elements far apart. So rows of B and C go by vec4 where they can, and A where it is
 * transposed. In `nt` no row of B runs along C: a first pass transposes B into scratch (k n elements, for 2 m n k
 * operations).
 *
 * Gain on llvmpipe (`npm run bench:gpu`, bench/results/llvmpipe/gpu-day.md), 256 x 256 x 256 in f32: 1.5 -> 12.0
 * GFLOP/s over a lane per element.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { grid, lanePass } from '../wgsl.js';
import { epilogue, lines, range } from './epilogue.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulVariant } from './variant.js';

/**
 * `single`: element by element. `four`: rows of B and C by vec4. `turned` (nt): the same, with B transposed into
 * scratch. `four both` (tn): rows of A by vec4 too.
 */
type Reading = 'single' | 'four' | 'turned' | 'four both';

/** From this many rows of C on, transposing B pays. */
const rowsWorthTurning = 16;

export function softwarePasses(variant: MatmulVariant, target: WgslTarget): readonly WgslPass[] {
  const { layout } = variant;
  const choose = (p: Params): Reading => {
    const fours = (...names: readonly string[]) => names.every(name => p[name]! % 4 === 0);
    if (!fours('n', 'strideB')) return 'single';
    if (layout === 'nt' && fours('k') && p['m']! >= rowsWorthTurning) return 'turned';
    if (layout === 'tn' && fours('m', 'strideA')) return 'four both';
    return 'four';
  };
  const readings: readonly Reading[] = [
    ...(layout === 'nt' ? (['turned'] as const) : layout === 'tn' ? (['four both'] as const) : []),
    'four',
    'single',
  ];
  return readings.flatMap(reading =>
    [...(reading === 'turned' ? [turn()] : []), registers(variant, target, reading)].map((pass): WgslPass => ({
      ...pass,
      workgroups: p => (choose(p) === reading ? pass.workgroups(p) : grid(0)),
      ...(reading === 'turned' && { scratch: p => (choose(p) === reading ? turnedElements(p) : 0) }),
    })),
  );
}

function turnedElements(p: Params): number {
  return (p['strideB'] === 0 ? 1 : p['batch']!) * p['n']! * p['k']!;
}

/** scratch[batch, k, n] from B[batch, n, k]: a lane transposes a block of 4 x 4. */
function turn(): WgslPass {
  const lanes = 64;
  return {
    variant: 'software turn',
    body: `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(group) * ${lanes}u + lane;
  let across = params.n / 4u;
  let down = params.k / 4u;
  let z = i / across / down;
  if (z >= select(params.batch, 1u, params.strideB == 0u)) { return; }
  let column = i % across * 4u;
  let l = i / across % down * 4u;
  let start = z * params.strideB + column * params.k + l;
  let block = transpose(mat4x4f(
    ${range(4)
      .map(c => `load4_b((start + ${c}u * params.k) / 4u)`)
      .join(',\n    ')}));
  let to = (z * params.k + l) * params.n + column;
  ${range(4)
    .map(r => `store4_scratch((to + ${r}u * params.n) / 4u, block[${r}]);`)
    .join('\n  ')}
}`,
    workgroups: p => grid(ceilDivide(turnedElements(p) / 16, lanes)),
  };
}

const tileRows = 8;
const tileColumns = 8;
/** Steps along k that are summed one after another: a long k is added in blocks. */
const blockK = 256;

/** Rows and columns beyond the edge are clamped to the last one: computed twice, never stored. */
function registers(variant: MatmulVariant, target: WgslTarget, reading: Reading): WgslPass {
  const layout = reading === 'turned' ? 'nn' : variant.layout;
  const four = reading !== 'single';
  const fourA = reading === 'four both';
  const count = (p: Params) => p['batch']! * ceilDivide(p['m']!, tileRows) * ceilDivide(p['n']!, tileColumns);
  const rows = range(tileRows);
  const columns = range(tileColumns);
  const halves = range(tileColumns / 4);
  const [b, strideB] =
    reading === 'turned'
      ? ['scratch', 'select(params.n * params.k, 0u, params.strideB == 0u)']
      : ['b', 'params.strideB'];

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
    if (four) return halves.map(h => `let y${h} = load4_${b}(b${h} + l * (params.n / 4u));`);
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
    if (four) return halves.map(h => `let b${h} = (z * ${strideB} + min(column + ${4 * h}u, params.n - 4u)) / 4u;`);
    return columns.map(c => `let b${c} = z * params.strideB + ${lastColumn(c)};`);
  };
  const lastRow = (r: number) => `min(row + ${r}u, params.m - 1u)`;
  const startA = fourA
    ? range(tileRows / 4).map(q => `let a${q} = (z * params.strideA + min(row + ${4 * q}u, params.m - 4u)) / 4u;`)
    : rows.map(r => `let a${r} = z * params.strideA + ${lastRow(r)}${layout === 'tn' ? '' : ' * params.k'};`);
  const loadA = fourA
    ? range(tileRows / 4).map(q => `let x${q} = load4_a(a${q} + l * (params.m / 4u));`)
    : rows.map(r => `let x${r} = load_a(a${r} + l${layout === 'tn' ? ' * params.m' : ''});`);
  const x = (r: number) => (fourA ? `x${Math.floor(r / 4)}[${r % 4}]` : `x${r}`);
  const sums = rows.flatMap(r => halves.map(h => `c${r}${h}`));
  const products = rows.flatMap(r => halves.map(h => `c${r}${h} = fma(vec4f(${x(r)}), y${h}, c${r}${h});`));

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
    return [`store_row(z, row + ${r}u, column, array<vec4f, 2>(total_c${r}0, total_c${r}1));`, stores] as const;
  };

  const pass = lanePass(
    target,
    count,
    `params.batch * ((params.m + ${tileRows - 1}u) / ${tileRows}u) * ((params.n + ${tileColumns - 1}u) / ${tileColumns}u)`,
    `let across = (params.n + ${tileColumns - 1}u) / ${tileColumns}u;
  let down = (params.m + ${tileRows - 1}u) / ${tileRows}u;
  let column = i % across * ${tileColumns}u;
  let row = i / across % down * ${tileRows}u;
  let z = i / across / down;
  ${lines([...startA, ...startB()])}
  ${lines(sums.map(c => `var total_${c} = vec4f(0.0);`))}
  for (var start = 0u; start < params.k; start += ${blockK}u) {
    ${lines(
      sums.map(c => `var ${c} = vec4f(0.0);`),
      '    ',
    )}
    for (var l = start; l < min(params.k, start + ${blockK}u); l++) {
      ${lines([...loadB(), ...loadA, ...products], '      ')}
    }
    ${lines(
      sums.map(c => `total_${c} += ${c};`),
      '    ',
    )}
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
  return { ...pass, variant: `software ${reading}` };
}
