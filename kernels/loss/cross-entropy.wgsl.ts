/** WGSL of cross-entropy. A row of weight 0 counts nothing, whatever its logits. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth, sumLoop } from '../wgsl.js';
import type { Width } from '../wgsl.js';
import { logSoftmax, logSumExp } from './rows.wgsl.js';

export function crossEntropyWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('logits', w)}
  ${sumLoop(
    w.value,
    ['total', 'mass'],
    `let t = ${w.load}_target(j);
      total -= select(t * ${logSoftmax('logits', w)}, ${w.value}(0.0), t == ${w.value}(0.0));
      mass += t;`,
  )}
  let loss = row_sum(${w.sum('total')}, lane);
  let target_mass = row_sum(${w.sum('mass')}, lane);
  let weight = load_weight(row);
  ${storeGrad(w, `target_mass * ${w.of('exp_down')}(${logSoftmax('logits', w)}) - ${w.load}_target(j)`)}
  if (leader) { store_loss(row, select(weight * loss, 0.0, weight == 0.0)); }`,
  );
}

const storeGrad = (w: Width, slope: string) => `for (var j = begin; j < end; j += step) {
    ${w.store}_grad(j, select(weight * (${slope}), ${w.value}(0.0), weight == 0.0));
  }`;

export function crossEntropyTokensWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(target, w => {
    const hit =
      w.size === 4
        ? 'select(vec4f(0.0), vec4f(1.0), vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u) == vec4u(place))'
        : 'select(0.0, 1.0, j == place)';
    return `${logSumExp('logits', w)}
  let token = u32(load_tokens(row)); // what is negative becomes large
  let weight = select(0.0, load_weight(row), token < params.cols);
  let place = row * params.cols + min(token, params.cols - 1u);
  ${storeGrad(w, `${w.of('exp_down')}(${logSoftmax('logits', w)}) - ${hit}`)}
  if (leader) {
    let loss = weight * (log_sum_logits - (load_logits(place) - maximum_logits));
    store_loss(row, select(loss, 0.0, weight == 0.0));
  }`;
  });
}
