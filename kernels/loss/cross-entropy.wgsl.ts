/** WGSL of cross-entropy. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth } from '../wgsl.js';
import { logSumExp } from './rows.wgsl.js';

export function crossEntropyWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('logits', w)}
  var total = ${w.value}(0.0);
  var mass = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    let t = ${w.load}_target(j);
    total -= t * (${w.load}_logits(j) - lse_logits);
    mass += t;
  }
  let loss = row_sum(${w.sum('total')}, lane);
  let target_mass = row_sum(${w.sum('mass')}, lane);
  let weight = load_weight(row);
  for (var j = begin; j < end; j += step) {
    ${w.store}_grad(j, weight * (target_mass * exp(${w.load}_logits(j) - lse_logits) - ${w.load}_target(j)));
  }
  if (leader) { store_loss(row, weight * loss); }`,
  );
}

export function crossEntropyTokensWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('logits', w)}
  let token = u32(load_tokens(row)); // what is negative becomes large
  let weight = select(0.0, load_weight(row), token < params.cols);
  let place = row * params.cols + token;
  for (var j = begin; j < end; j += step) {
    let hit = ${w.size === 4 ? 'select(vec4f(0.0), vec4f(1.0), vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u) == vec4u(place))' : 'select(0.0, 1.0, j == place)'};
    ${w.store}_grad(j, weight * (exp(${w.load}_logits(j) - lse_logits) - hit));
  }
  if (leader) { store_loss(row, weight * (lse_logits - load_logits(row * params.cols + min(token, params.cols - 1u)))); }`,
  );
}
