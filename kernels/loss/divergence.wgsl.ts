/** WGSL of reverse and forward KL, see divergence.ts. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth, sumLoop } from '../wgsl.js';
import type { Width } from '../wgsl.js';
import { logSumExp } from './rows.wgsl.js';

/**
 * A divergence is small where its terms nearly cancel, so it is summed from terms that cannot be negative: with
 * d = log p - log q, p d = q h(d) + p - q and h(d) = exp(d) (d - 1) + 1 >= 0 (by its series near 0). As sum p = 1 and
 * sum q = 1 + what the floor adds, KL(p || q) = sum q h(d) - added, and KL(q || p) = sum p h(-d) + added.
 */
const stableTerms = (w: Width) => `
// 0 log 0 = 0
fn times(p: ${w.value}, d: ${w.value}) -> ${w.value} { return select(p * d, ${w.value}(0.0), p == ${w.value}(0.0)); }
fn kl_term(d: ${w.value}, p: ${w.value}, q: ${w.value}) -> ${w.value} { // q h(d)
  let series = d * d * (0.5 + d * (1.0 / 3.0 + d * (0.125 + d * (1.0 / 30.0 + d * (1.0 / 144.0 + d * (1.0 / 840.0))))));
  return select(times(p, d) - p + q, q * series, (abs(d) < ${w.value}(0.25)) & (p * q > ${w.value}(0.0)));
}`;

/** The logits above the largest of their rows, the teacher's not below the floor; `d` = log p - log q; p and q. */
const distances = (w: Width) => `let s = ${w.load}_student(j) - maximum_student;
    let raw = ${w.load}_teacher(j) - maximum_teacher;
    let t = ${w.of('larger')}(raw, ${w.value}(lowest));
    let d = (s - t) - (log_sum_student - log_sum_teacher);
    let p = ${w.of('exp_down')}(s - log_sum_student);
    let raw_q = ${w.of('exp_down')}(raw - log_sum_teacher);
    // a token that the teacher rules out stays at 0
    let is_lifted = (raw < ${w.value}(lowest)) & (raw > ${w.value}(-3.4e38));
    let q = select(raw_q, ${w.value}(exp_down(load_floor(0u))), is_lifted);`;

/** Passes that leave `kl` in every lane and write the gradient of a row: `slope`, a statement per element. */
const divergence = (target: WgslTarget, sums: (w: Width) => string, slope: string): readonly WgslPass[] =>
  rowsByWidth(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u) + log_sum_teacher;
  let weight = load_weight(row);
  ${sums(w)}
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    ${w.store}_grad(j, select(weight * (${slope}), ${w.value}(0.0), weight == 0.0));
  }
  if (leader) { store_loss(row, select(weight * kl, 0.0, weight == 0.0)); }`,
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
  let at = min(row_min_index(likeliest, lane), (row + 1u) * params.cols - 1u); // the first of equals
  let c = -larger(load_teacher(at) - maximum_teacher, lowest); // s - t there
  ${sumLoop(
    w.value,
    ['total', 'terms'],
    `${distances(w)}
    total += times(p, s - t - c);
    terms += kl_term(d, p, q) - (q - raw_q);`,
  )}
  let excess = row_sum(${w.sum('total')}, lane);
  let kl = row_sum(${w.sum('terms')}, lane);`,
    'times(p, s - t - c - excess)',
  );

export const forwardKlWgsl = (target: WgslTarget): readonly WgslPass[] =>
  divergence(
    target,
    w => `${sumLoop(
      w.value,
      ['total', 'masses'],
      `${distances(w)}
    total += kl_term(-d, q, p) + (q - raw_q);
    masses += q;`,
    )}
  let kl = row_sum(${w.sum('total')}, lane);
  let mass = row_sum(${w.sum('masses')}, lane);`,
    'p * mass - q',
  );
