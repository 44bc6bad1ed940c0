/** WGSL of Muon: momentum and norm, the polynomial of a Newton-Schulz step, the update. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass, rowPass, sumLoop } from '../wgsl.js';

/** WGSL: whether matrix `z` of a stack lies in the flat buffer, and where its row `i` begins there. */
const places = `fn lies(z: u32) -> bool {
  let first = u32(load_places(2u * z));
  let stride = load_places(2u * z + 1u);
  if (params.cols > params.total || first > params.total - params.cols || stride < i32(params.cols)) { return false; }
  return params.rows - 1u <= (params.total - params.cols - first) / u32(stride);
}
fn row_start(z: u32, i: u32) -> u32 { return u32(load_places(2u * z)) + i * u32(load_places(2u * z + 1u)); }`;

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
  let start = row_start(z, row % params.rows);
  let finite = load_state(2u) != 0.0 && lies(z);
  let momentum = load_hyper(8u);
  ${sumLoop('f32', ['total'], terms, { begin: 'first', end: 'params.cols' })}
  let sum = row_sum(total, lane);
  if (leader) { store_scratch(row, sum); }`,
    { rows, total: allRows, declarations: places },
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
      `let row = i / params.cols;
  let z = row / params.rows;
  if (load_state(2u) == 0.0 || !lies(z)) { return; }
  let at = row_start(z, row % params.rows) + i % params.cols;
  let param = load_param(at);
  let rate = load_hyper(9u) * load_hyper(0u);
  store_param(at, param - rate * (load_hyper(4u) * param + params.scale * load_x(i)));`,
      { declarations: places },
    ),
  ];
}
