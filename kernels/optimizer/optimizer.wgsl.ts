/** WGSL of AdamW: sums of squares, the decisions of a step, the update. */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, lanesByWidth, multiplesOfFour, rowPass, sumLoop } from '../wgsl.js';

export function sumSquaresWgsl(target: WgslTarget): readonly WgslPass[] {
  return byWidth(multiplesOfFour('n', 'chunk'), w =>
    rowPass(
      target,
      `let begin = row * params.chunk / ${w.size}u + first;
  let end = min(params.n, (row + 1u) * params.chunk) / ${w.size}u;
  ${sumLoop(w.value, ['total'], `let x = ${w.load}_x(j); total += x * x;`)}
  let sum = row_sum(${w.sum('total')}, lane);
  if (leader) { store_partial(row, sum); }`,
      {
        rows: p => ceilDivide(p['n']!, p['chunk']!),
        total: '(params.n + params.chunk - 1u) / params.chunk',
        long: true,
      },
    ),
  );
}

/**
 * One row of `count` partial sums. Whether the norm is finite is read from its bits: compilers may assume that it is.
 */
export function optimizerPrepareWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `${sumLoop('f32', ['total'], 'total += load_partial(j);', { begin: 'first', end: 'params.count' })}
  let sum = row_sum(total, lane);
  if (!leader) { return; }
  let scale = load_state(7u);
  let norm = sqrt(sum) / scale;
  let finite = (bitcast<u32>(sum) & 0x7fffffffu) < 0x7f800000u;
  if (finite) {
    let max_norm = load_hyper(5u);
    store_state(0u, load_state(0u) + 1.0);
    store_state(2u, 1.0);
    store_state(4u, select(1.0, max_norm / norm, max_norm > 0.0 && norm > max_norm) / scale);
    store_state(5u, load_state(5u) * load_hyper(1u));
    store_state(6u, load_state(6u) * load_hyper(2u));
  } else {
    store_state(1u, load_state(1u) + 1.0);
    store_state(2u, 0.0);
    store_state(4u, 0.0);
  }
  store_state(3u, norm);
  let interval = load_hyper(6u);
  let good = select(0.0, load_state(8u) + 1.0, finite && interval > 0.0);
  let grow = interval > 0.0 && good >= interval;
  if (!finite) { store_state(7u, max(1.0, 0.5 * scale)); }
  if (grow) { store_state(7u, min(load_hyper(7u), 2.0 * scale)); }
  store_state(8u, select(good, 0.0, grow));`,
      { rows: () => 1, total: '1u', long: true },
    ),
  ];
}

/** `copies`: writes the new values into `copy` too. */
export function adamwWgsl(target: WgslTarget, copies: boolean): readonly WgslPass[] {
  return lanesByWidth(
    target,
    ['n'],
    multiplesOfFour('n'),
    w => `if (load_state(2u) == 0.0) { return; }
  let beta1 = load_hyper(1u);
  let beta2 = load_hyper(2u);
  let g = ${w.load}_grad(i) * load_state(4u);
  let m = beta1 * ${w.load}_m(i) + (1.0 - beta1) * g;
  let v = beta2 * ${w.load}_v(i) + (1.0 - beta2) * g * g;
  let step = m / (1.0 - load_state(5u)) / (sqrt(v / (1.0 - load_state(6u))) + load_hyper(3u));
  let param = ${w.load}_param(i);
  ${w.store}_m(i, m);
  ${w.store}_v(i, v);
  let updated = param - load_hyper(0u) * (load_hyper(4u) * param + step);
  ${w.store}_param(i, updated);${copies ? `\n  ${w.store}_copy(i, updated);` : ''}`,
  );
}
