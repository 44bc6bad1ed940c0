/** WGSL of the counter-based random numbers and of sampling. */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass, rowPass } from '../wgsl.js';

/** `uniform_at(column, index)`: see `randomBits` and `uniformFromBits` in random.ts. */
export const uniformAt = `fn pcg4d(words: vec4u) -> vec4u {
  var v = words * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}
fn uniform_at(column: u32, index: u32) -> f32 {
  let key = pcg4d(bitcast<vec4u>(vec4i(load_control(0u), load_control(1u), load_control(2u), i32(column))));
  return (f32(pcg4d(key + vec4u(0u, index, 0u, 0u)).x >> 9u) + 0.5) * 0x1p-23;
}`;

export function randomUniformWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    lanePass(target, p => ceilDivide(p['n']!, 1), 'params.n', 'store_y(i, uniform_at(0u, i));', {
      declarations: uniformAt,
    }),
  ];
}

/**
 * Every lane keeps the first best of its columns; the row's token is the smallest column among the lanes that hold the
 * best.
 */
export function sampleTokensWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `let temperature = load_temperature(0u);
  var best = 0u;
  var best_score = -3.4e38;
  for (var k = first; k < params.cols; k += step) {
    let at = row * params.cols + k;
    var score = load_logits(at) + load_bias(k);
    if (temperature > 0.0) { score -= temperature * log(-log(uniform_at(params.column, at))); }
    if (score > best_score) { best_score = score; best = k; }
  }
  let winner = row_max(best_score, lane);
  let drawn = row_min_index(select(0xffffffffu, best, best_score == winner), lane);
  if (!leader) { return; }
  let token = select(i32(drawn), load_control(4u), load_done(row) != 0);
  store_tokens(row * params.stride + params.column, token);
  store_next(row, token);
  if (token == load_control(3u)) { store_done(row, 1); }`,
      { declarations: uniformAt },
    ),
  ];
}
