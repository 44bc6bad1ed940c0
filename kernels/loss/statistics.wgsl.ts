/** WGSL of the statistics of divergence. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowBounds, rowPass, sumLoop, widths } from '../wgsl.js';
import { logSoftmax, logSumExp } from './rows.wgsl.js';

/** By single elements: it runs once per evaluation or logged step, and looks for positions. */
export function divergenceStatsWgsl(target: WgslTarget): readonly WgslPass[] {
  const scalar = widths[1];
  const sums = ['reverse', 'forward', 'entropy_p', 'entropy_q', 'clamped'];
  return [
    rowPass(
      target,
      `${rowBounds(scalar)}
  ${logSumExp('student', scalar)}
  ${logSumExp('teacher', scalar)}
  let lowest = load_floor(0u);
  var first_p = 0xffffffffu; var first_q = 0xffffffffu;
  ${sumLoop(
    'f32',
    sums,
    `let log_p = ${logSoftmax('student', scalar)};
    let raw_q = ${logSoftmax('teacher', scalar)};
    let log_q = larger(raw_q, lowest);
    let p = exp_down(log_p);
    reverse += times(p, log_p - log_q);
    forward += times(select(exp_down(log_q), 0.0, raw_q < -3.4e38), log_q - log_p);
    entropy_p -= times(p, log_p);
    entropy_q -= times(exp_down(raw_q), raw_q);
    if (raw_q < lowest) { clamped += p; }
    if (load_student(j) == maximum_student) { first_p = min(first_p, j); }
    if (load_teacher(j) == maximum_teacher) { first_q = min(first_q, j); }`,
  )}
  let joined = array<f32, 5>(${sums.map(x => `row_sum(${x}, lane)`).join(', ')});
  let agree = row_min_index(first_p, lane) == row_min_index(first_q, lane);
  if (!leader) { return; }
  let token = u32(load_tokens(row)); // what is negative becomes large
  let counts = token < params.cols;
  let j = row * params.cols + min(token, params.cols - 1u);
  store_stats(8u * row, select(0.0, ${logSoftmax('student', scalar)}, counts));
  store_stats(8u * row + 1u, select(0.0, larger(${logSoftmax('teacher', scalar)}, lowest), counts));
  store_stats(8u * row + 2u, joined[0]);
  store_stats(8u * row + 3u, joined[1]);
  store_stats(8u * row + 4u, joined[2]);
  store_stats(8u * row + 5u, joined[3]);
  // a row without a distribution: joined[0] is NaN
  let none = is_nan(joined[0]) && !(abs(maximum_student) < 3.4e38 && abs(maximum_teacher) < 3.4e38);
  store_stats(8u * row + 6u, select(select(0.0, 1.0, agree), joined[0], none));
  store_stats(8u * row + 7u, joined[4]);`,
      { declarations: 'fn times(p: f32, d: f32) -> f32 { return select(p * d, 0.0, p == 0.0); } // 0 log 0 = 0' },
    ),
  ];
}
