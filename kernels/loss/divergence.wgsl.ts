/** WGSL of reverse and forward KL, see divergence.ts. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth } from '../wgsl.js';
import type { Width } from '../wgsl.js';
import { likeliestOfStudent, logSumExp } from './rows.wgsl.js';

/**
 * A divergence is small where its terms nearly cancel, so it is summed from terms that cannot be negative: with
 * d = log p - log q, p d = q h(d) + p - q and h(d) = exp(d) (d - 1) + 1 >= 0 (by its series near 0). As sum p = 1 and
 * sum q = 1 + what the floor adds, KL(p || q) = sum q h(d) - added, and KL(q || p) = sum p h(-d) + added.
 */
const stableTerms = (w: Width) => `
fn kl_term(d: ${w.value}, p: ${w.value}, q: ${w.value}) -> ${w.value} { // q h(d)
  let series = d * d * (0.5 + d * (1.0 / 3.0 + d * (0.125 + d * (1.0 / 30.0 + d * (1.0 / 144.0 + d * (1.0 / 840.0))))));
  return select(p * d - p + q, q * series, abs(d) < ${w.value}(0.25));
}`;

const distances = (w: Width) => `let log_p = ${w.load}_student(j) - lse_student;
    let log_q = max(${w.load}_teacher(j) - lse_teacher, ${w.value}(lowest));`;

/**
 * With d = log p - log q, the gradient needs d - KL = (d - c) - sum p (d - c) for any c. Taking c at the student's
 * likeliest token keeps all digits where the student is sure of itself: there d and KL are large and nearly equal.
 */
export function reverseKlWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  ${likeliestOfStudent}
  let c = (maximum_student - lse_student) - max(load_teacher(at) - lse_teacher, lowest);
  var total = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    total += exp(log_p) * (log_p - log_q - c);
  }
  let excess = row_sum(${w.sum('total')}, lane);
  let weight = load_weight(row);
  var terms = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    let p = exp(log_p);
    ${w.store}_grad(j, weight * p * (log_p - log_q - c - excess));
    terms += kl_term(log_p - log_q, p, exp(log_q)) - (exp(log_q) - exp(${w.load}_teacher(j) - lse_teacher));
  }
  let kl = row_sum(${w.sum('terms')}, lane);
  if (leader) { store_loss(row, weight * kl); }`,
    stableTerms,
  );
}

export function forwardKlWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  var total = ${w.value}(0.0);
  var masses = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    let q = exp(log_q);
    total += kl_term(log_q - log_p, q, exp(log_p)) + (q - exp(${w.load}_teacher(j) - lse_teacher));
    masses += q;
  }
  let kl = row_sum(${w.sum('total')}, lane);
  let mass = row_sum(${w.sum('masses')}, lane);
  let weight = load_weight(row);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    ${w.store}_grad(j, weight * (exp(log_p) * mass - exp(log_q)));
  }
  if (leader) { store_loss(row, weight * kl); }`,
    stableTerms,
  );
}
