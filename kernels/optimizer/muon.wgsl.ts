/** WGSL of Muon: momentum and norm, the polynomial of a Newton-Schulz step, the update. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass, rowPass, sumLoop } from '../wgsl.js';

/** WGSL: where row `i` of matrix `z` of a stack begins in the flat buffer. */
const rowStart = 'u32(load_places(2u * z)) + i * u32(load_places(2u * z + 1u))';

/** Row by row, for there are few matrices; then their norms from sums of rows in scratch; then the division. */
export function muonMomentumWgsl(target: WgslTarget, leastNorm: number): readonly WgslPass[] {
  const rows = (p: Readonly<Record<string, number>>) => p['count']! * p['rows']!;
  const allRows = 'params.count * params.rows';
  const terms = `var u = 0.0;
      if (finite) {
        let g = load_grad(start + j) * load_state(4u);
        let m = momentum * load_m(start + j) + (1.0 - momentum) * g;
        store_m(start + j, m);
        u = momentum * m + (1.0 - momentum) * g;
      }
      store_x(row * params.cols + j, u);
      total += u * u;`;
  const momentum = rowPass(
    target,
    `let z = row / params.rows;
  let i = row % params.rows;
  let start = ${rowStart};
  let finite = load_state(2u) != 0.0;
  let momentum = load_hyper(8u);
  ${sumLoop('f32', ['total'], terms, { begin: 'first', end: 'params.cols' })}
  let sum = row_sum(total, lane);
  if (leader) { store_scratch(row, sum); }`,
    { rows, total: allRows },
  );
  const norms = rowPass(
    target,
    `let begin = row * params.rows + first;
  let end = (row + 1u) * params.rows;
  ${sumLoop('f32', ['total'], 'total += load_scratch(j);')}
  let sum = row_sum(total, lane);
  if (leader) { store_scratch(${allRows} + row, max(sqrt(sum), ${leastNorm})); }`,
    { rows: p => p['count']!, total: 'params.count', long: true },
  );
  const division = lanePass(
    target,
    p => rows(p) * p['cols']!,
    `${allRows} * params.cols`,
    `store_x(i, load_x(i) / load_scratch(${allRows} + i / (params.rows * params.cols)));`,
  );
  return [momentum, norms, division].map(pass => ({ ...pass, scratch: p => rows(p) + p['count']! }));
}

export function newtonSchulzWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    lanePass(
      target,
      p => p['count']! * p['n']! ** 2,
      'params.count * params.n * params.n',
      `let diagonal = select(0.0, params.a, i / params.n % params.n == i % params.n);
  store_p(i, diagonal + params.b * load_gram(i) + params.c * load_square(i));`,
    ),
  ];
}

export function muonStepWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    lanePass(
      target,
      p => p['count']! * p['rows']! * p['cols']!,
      'params.count * params.rows * params.cols',
      `if (load_state(2u) == 0.0) { return; }
  let at = flat(i / params.cols) + i % params.cols;
  let param = load_param(at);
  let rate = load_hyper(9u) * load_hyper(0u);
  store_param(at, param - rate * (load_hyper(4u) * param + params.scale * load_x(i)));`,
      {
        declarations: `fn flat(row: u32) -> u32 { let z = row / params.rows; let i = row % params.rows; return ${rowStart}; }`,
      },
    ),
  ];
}
