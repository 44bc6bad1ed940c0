/** WGSL of the generalised JSD. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth } from '../wgsl.js';
import type { Width } from '../wgsl.js';
import { likeliestOfStudent, logSumExp } from './rows.wgsl.js';

/**
 * What the generalised JSD needs of a token, from d = log p - log q: see its WebAssembly for the algebra. `log_series`
 * is S in log(1 + x) = 2 z (1 + z^2 S), z = x / (2 + x), z^2 <= 1/9; `entropy_gap` is (1 + x) log(1 + x) - x without
 * cancellation.
 */
const jsdFunctions = ({ value: V, size }: Width) => `
fn log_series(u: ${V}) -> ${V} {
  return ((((u / 13.0 + 1.0 / 11.0) * u + 1.0 / 9.0) * u + 1.0 / 7.0) * u + 1.0 / 5.0) * u + 1.0 / 3.0;
}
fn is_near_zero(x: ${V}) -> ${size === 4 ? 'vec4<bool>' : 'bool'} { return (x >= ${V}(-0.5)) & (x <= ${V}(1.0)); }
fn log_1p(x: ${V}) -> ${V} {
  let z = x / (x + 2.0);
  return select(log(1.0 + x), 2.0 * z * (1.0 + z * z * log_series(z * z)), is_near_zero(x));
}
fn entropy_gap(x: ${V}) -> ${V} {
  let z = x / (x + 2.0);
  let u = z * z;
  let near = 2.0 * u * (1.0 + z * (1.0 + z) * log_series(u)) / (1.0 - z);
  let y = max(1.0 + x, ${V}(1e-37)); // y log y is 0 at 0
  return select(y * log(y) - x, near, is_near_zero(x));
}
fn exp_less_1_near(s: ${V}) -> ${V} { // exp(-s) - 1 for |s| < 1/2
  return s * (-1.0 + s * (0.5 + s * (-1.0 / 6.0 + s * (1.0 / 24.0 + s * (-1.0 / 120.0 + s * (1.0 / 720.0 - s / 5040.0))))));
}
fn jsd_term(d: ${V}, p: ${V}, q: ${V}) -> ${V} {
  let larger = d >= ${V}(0.0);
  let s = abs(d);
  let gamma = select(${V}(1.0 - params.beta), ${V}(params.beta), larger);
  let less = select(exp(-s) - 1.0, exp_less_1_near(s), s < ${V}(0.5));
  let mixture = 1.0 + gamma * less;
  let v = less / mixture;
  let gaps = gamma * entropy_gap((1.0 - gamma) * v) + (1.0 - gamma) * entropy_gap(-gamma * v);
  return select(q, p, larger) * mixture * gaps;
}
fn jsd_pull(d: ${V}, delta: ${V}, ratio_0: f32) -> ${V} {
  let ratio = exp(min(-d, ${V}(80.0)));
  let rise = select(ratio - ratio_0, ratio_0 * exp_less_1_near(delta), abs(delta) < ${V}(0.5));
  return -log_1p(params.beta / (1.0 - params.beta + params.beta * ratio_0) * rise);
}`;

export function jsdWgsl(target: WgslTarget): readonly WgslPass[] {
  const token = (w: Width) => `let s = ${w.load}_student(j);
    let t = ${w.load}_teacher(j);
    let apart = s - max(t, ${w.value}(lowest_logit));
    let d = apart - lse_gap;
    let p = exp(s - lse_student);
    let pull = jsd_pull(d, apart - apart_0, ratio_0);`;
  return rowsByWidth(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  let lowest_logit = lowest + lse_teacher;
  let lse_gap = lse_student - lse_teacher;
  ${likeliestOfStudent}
  let apart_0 = maximum_student - max(load_teacher(at), lowest_logit);
  let ratio_0 = exp(lse_gap - apart_0);
  var terms = ${w.value}(0.0);
  var pulls = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${token(w)}
    terms += jsd_term(d, p, exp(max(t - lse_teacher, ${w.value}(lowest))));
    pulls += p * pull;
  }
  let loss = row_sum(${w.sum('terms')}, lane);
  let excess = row_sum(${w.sum('pulls')}, lane);
  let weight = load_weight(row);
  for (var j = begin; j < end; j += step) {
    ${token(w)}
    ${w.store}_grad(j, weight * (1.0 - params.beta) * p * (pull - excess));
  }
  if (leader) { store_loss(row, weight * loss); }`,
    jsdFunctions,
  );
}
