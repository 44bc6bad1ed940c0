/** WGSL of Muon: momentum and norm, the polynomial of a Newton-Schulz step, the update. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass, rowPass, sumLoop } from '../wgsl.js';

/** WGSL: element `j` of matrix `z` of a stack in the flat buffer. */
const flat = 'u32(load_places(2u * z)) + j / params.cols * u32(load_places(2u * z + 1u)) + j % params.cols';

/** A matrix of the stack is a row here: twice through it, for its norm and to divide by it. */
export function muonMomentumWgsl(target: WgslTarget, leastNorm: number): readonly WgslPass[] {
  const terms = `var u = 0.0;
      if (finite) {
        let at = ${flat};
        let g = load_grad(at) * load_state(4u);
        let m = momentum * load_m(at) + (1.0 - momentum) * g;
        store_m(at, m);
        u = momentum * m + (1.0 - momentum) * g;
      }
      store_x(z * size + j, u);
      total += u * u;`;
  return [
    rowPass(
      target,
      `let z = row;
  let size = params.rows * params.cols;
  let finite = load_state(2u) != 0.0;
  let momentum = load_hyper(8u);
  ${sumLoop('f32', ['total'], terms, { begin: 'first', end: 'size' })}
  let scale = 1.0 / max(sqrt(row_sum(total, lane)), ${leastNorm});
  for (var j = first; j < size; j += step) { store_x(z * size + j, load_x(z * size + j) * scale); }`,
      { rows: p => p['count']!, total: 'params.count' },
    ),
  ];
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
  let z = i / (params.rows * params.cols);
  let j = i % (params.rows * params.cols);
  let at = ${flat};
  let param = load_param(at);
  let rate = load_hyper(9u) * load_hyper(0u);
  store_param(at, param - rate * (load_hyper(4u) * param + params.scale * load_x(i)));`,
    ),
  ];
}
