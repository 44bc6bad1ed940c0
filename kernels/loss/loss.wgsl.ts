/** WGSL of the losses: whole rows, see `rowPass`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, rowPass } from '../wgsl.js';
import type { Width } from '../wgsl.js';

/** Statements that leave `lse_<x>`, the log of the sum of exponentials of a row of buffer `x`, in every lane. */
function logSumExp(x: string, w: Width): string {
  return `var largest_${x} = ${w.value}(load_${x}(row * params.cols));
  for (var j = begin; j < end; j += step) { largest_${x} = max(largest_${x}, ${w.load}_${x}(j)); }
  let maximum_${x} = row_max(${w.max(`largest_${x}`)}, lane);
  var exponentials_${x} = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) { exponentials_${x} += exp(${w.load}_${x}(j) - maximum_${x}); }
  let lse_${x} = maximum_${x} + log(row_sum(${w.sum(`exponentials_${x}`)}, lane));`;
}

const rowBounds = (w: Width) => `let begin = row * params.cols / ${w.size}u + first;
  let end = (row + 1u) * params.cols / ${w.size}u;`;

function rowLoss(target: WgslTarget, code: (w: Width) => string): readonly WgslPass[] {
  return byWidth(
    p => p['cols']! % 4 === 0,
    w => rowPass(target, p => p['rows']!, 'params.rows', `${rowBounds(w)}\n  ${code(w)}`),
  );
}

export function crossEntropyWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowLoss(
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

export function distillationWgsl(divergence: 'reverse_kl' | 'forward_kl', target: WgslTarget): readonly WgslPass[] {
  return divergence === 'reverse_kl' ? reverseKl(target) : forwardKl(target);
}

const distances = (w: Width) => `let log_p = ${w.load}_student(j) - lse_student;
    let log_q = max(${w.load}_teacher(j) - lse_teacher, ${w.value}(lowest));`;

/**
 * With d = log p - log q, the gradient needs d - KL = (d - c) - sum p (d - c) for any c. Taking c at the student's likeliest
 * token keeps all digits where the student is sure of itself: there d and KL are large and nearly equal.
 */
function reverseKl(target: WgslTarget): readonly WgslPass[] {
  return rowLoss(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  var likeliest = 0xffffffffu;
  for (var k = row * params.cols + first; k < (row + 1u) * params.cols; k += step) {
    if (load_student(k) == maximum_student) { likeliest = min(likeliest, k); }
  }
  let at = row_min_index(likeliest, lane);
  let c = (maximum_student - lse_student) - max(load_teacher(at) - lse_teacher, lowest);
  var total = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    total += exp(log_p) * (log_p - log_q - c);
  }
  let excess = row_sum(${w.sum('total')}, lane);
  let weight = load_weight(row);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    ${w.store}_grad(j, weight * exp(log_p) * (log_p - log_q - c - excess));
  }
  if (leader) { store_loss(row, weight * (c + excess)); }`,
  );
}

function forwardKl(target: WgslTarget): readonly WgslPass[] {
  return rowLoss(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  var total = ${w.value}(0.0);
  var masses = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${distances(w)}
    let q = exp(log_q);
    total += q * (log_q - log_p);
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
  );
}

/** By single elements: it runs once per evaluation or logged step, and looks for positions. */
export function divergenceStatsWgsl(target: WgslTarget): readonly WgslPass[] {
  const scalar: Width = { size: 1, value: 'f32', load: 'load', store: 'store', sum: v => v, max: v => v };
  return [
    rowPass(
      target,
      p => p['rows']!,
      'params.rows',
      `${rowBounds(scalar)}
  ${logSumExp('student', scalar)}
  ${logSumExp('teacher', scalar)}
  let lowest = load_floor(0u);
  var reverse = 0.0; var forward = 0.0; var entropy_p = 0.0; var entropy_q = 0.0; var clamped = 0.0;
  var first_p = 0xffffffffu; var first_q = 0xffffffffu;
  for (var j = begin; j < end; j += step) {
    let log_p = load_student(j) - lse_student;
    let raw_q = load_teacher(j) - lse_teacher;
    let log_q = max(raw_q, lowest);
    let p = exp(log_p);
    reverse += p * (log_p - log_q);
    forward += exp(log_q) * (log_q - log_p);
    entropy_p -= p * log_p;
    entropy_q -= exp(raw_q) * raw_q;
    if (raw_q < lowest) { clamped += p; }
    if (load_student(j) == maximum_student) { first_p = min(first_p, j); }
    if (load_teacher(j) == maximum_teacher) { first_q = min(first_q, j); }
  }
  let sums = array<f32, 5>(${['reverse', 'forward', 'entropy_p', 'entropy_q', 'clamped'].map(x => `row_sum(${x}, lane)`).join(', ')});
  let agree = row_min_index(first_p, lane) == row_min_index(first_q, lane);
  if (!leader) { return; }
  let token = row * params.cols + u32(load_tokens(row));
  store_stats(8u * row, load_student(token) - lse_student);
  store_stats(8u * row + 1u, max(load_teacher(token) - lse_teacher, lowest));
  store_stats(8u * row + 2u, sums[0]);
  store_stats(8u * row + 3u, sums[1]);
  store_stats(8u * row + 4u, sums[2]);
  store_stats(8u * row + 5u, sums[3]);
  store_stats(8u * row + 6u, select(0.0, 1.0, agree));
  store_stats(8u * row + 7u, sums[4]);`,
    ),
  ];
}
