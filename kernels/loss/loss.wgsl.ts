/** WGSL of the losses: whole rows, see `rowPass`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, rowPass } from '../wgsl.js';
import type { Width } from '../wgsl.js';

/** Elements (or vectors of four) that a lane sums before it adds them to those before: a long sum loses digits with its length. */
const sumBlock = 1024;

/** Statements that leave `lse_<x>`, the log of the sum of exponentials of a row of buffer `x`, in every lane. */
function logSumExp(x: string, w: Width): string {
  return `var largest_${x} = ${w.value}(load_${x}(row * params.cols));
  for (var j = begin; j < end; j += step) { largest_${x} = max(largest_${x}, ${w.load}_${x}(j)); }
  let maximum_${x} = row_max(${w.max(`largest_${x}`)}, lane);
  var exponentials_${x} = ${w.value}(0.0);
  for (var block = begin; block < end; block += ${sumBlock}u * step) {
    var part = ${w.value}(0.0);
    for (var j = block; j < min(end, block + ${sumBlock}u * step); j += step) { part += exp(${w.load}_${x}(j) - maximum_${x}); }
    exponentials_${x} += part;
  }
  let lse_${x} = maximum_${x} + log(row_sum(${w.sum(`exponentials_${x}`)}, lane));`;
}

const rowBounds = (w: Width) => `let begin = row * params.cols / ${w.size}u + first;
  let end = (row + 1u) * params.cols / ${w.size}u;`;

function rowLoss(
  target: WgslTarget,
  code: (w: Width) => string,
  declarations: (w: Width) => string = () => '',
): readonly WgslPass[] {
  return byWidth(
    p => p['cols']! % 4 === 0,
    w =>
      rowPass(target, p => p['rows']!, 'params.rows', `${rowBounds(w)}\n  ${code(w)}`, {
        declarations: declarations(w),
      }),
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

export function crossEntropyTokensWgsl(target: WgslTarget): readonly WgslPass[] {
  return rowLoss(
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

export function distillationWgsl(divergence: 'reverse_kl' | 'forward_kl', target: WgslTarget): readonly WgslPass[] {
  return divergence === 'reverse_kl' ? reverseKl(target) : forwardKl(target);
}

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

/**
 * What the generalised JSD needs of a token, from d = log p - log q: see its WebAssembly for the algebra. `log_series` is S in
 * log(1 + x) = 2 z (1 + z^2 S), z = x / (2 + x), z^2 <= 1/9; `entropy_gap` is (1 + x) log(1 + x) - x without cancellation.
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
  return rowLoss(
    target,
    w => `${logSumExp('student', w)}
  ${logSumExp('teacher', w)}
  let lowest = load_floor(0u);
  let lowest_logit = lowest + lse_teacher;
  let lse_gap = lse_student - lse_teacher;
  var likeliest = 0xffffffffu;
  for (var k = row * params.cols + first; k < (row + 1u) * params.cols; k += step) {
    if (load_student(k) == maximum_student) { likeliest = min(likeliest, k); }
  }
  let at = row_min_index(likeliest, lane);
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
