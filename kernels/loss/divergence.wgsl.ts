/** WGSL of reverse and forward KL, see divergence.ts. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth } from '../wgsl.js';
import type { Width } from '../wgsl.js';
import { logSumExp } from './rows.wgsl.js';

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

/** Passes that leave `kl` in every lane and write the gradient of a row. */
const divergence = (target: WgslTarget, code: (w: Width) => string): readonly WgslPass[] =>
  rowsByWidth(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  let weight = load_weight(row);
  ${code(w)}
  if (leader) { store_loss(row, weight * kl); }`,
    stableTerms,
  );

/**
 * With d = log p - log q, the gradient needs d - KL = (d - c) - sum p (d - c) for any c. Taking c at the student's
 * likeliest token keeps all digits where the student is sure of itself: there d and KL are large and nearly equal.
 */
export const reverseKlWgsl = (target: WgslTarget): readonly WgslPass[] =>
  divergence(
    target,
    w => `var likeliest = 0xffffffffu;
  for (var k = row * params.cols + first; k < (row + 1u) * params.cols; k += step) {
    if (load_student(k) == maximum_student) { likeliest = min(likeliest, k); }
  }
  let at = row_min_index(likeliest, lane); // the first of equals
  let c = (maximum_student - lse_student) - max(load_teacher(at) - lse_teacher, lowest);
  var total = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    total += exp(log_p) * (log_p - log_q - c);
  }
  let excess = row_sum(${w.sum('total')}, lane);
  var terms = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    let p = exp(log_p);
    ${w.store}_grad(j, weight * p * (log_p - log_q - c - excess));
    terms += kl_term(log_p - log_q, p, exp(log_q)) - (exp(log_q) - exp(${w.load}_teacher(j) - lse_teacher));
  }
  let kl = row_sum(${w.sum('terms')}, lane);`,
  );

export const forwardKlWgsl = (target: WgslTarget): readonly WgslPass[] =>
  divergence(
    target,
    w => `var total = ${w.value}(0.0);
  var masses = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    let q = exp(log_q);
    total += kl_term(log_q - log_p, q, exp(log_p)) + (q - exp(${w.load}_teacher(j) - lse_teacher));
    masses += q;
  }
  let kl = row_sum(${w.sum('total')}, lane);
  let mass = row_sum(${w.sum('masses')}, lane);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    ${w.store}_grad(j, weight * (exp(log_p) * mass - exp(log_q)));
  }`,
  );
