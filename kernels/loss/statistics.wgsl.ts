/** WGSL of the statistics of divergence. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowBounds, rowPass, widths } from '../wgsl.js';
import { logSumExp } from './rows.wgsl.js';

/** By single elements: it runs once per evaluation or logged step, and looks for positions. */
export function divergenceStatsWgsl(target: WgslTarget): readonly WgslPass[] {
  const scalar = widths[1];
  return [
    rowPass(
      target,
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
