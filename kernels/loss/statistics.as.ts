// Statistics of divergence; one unit is one row.
import { at, expDown4, laneMask, log1, madd, sumLanes } from '../wasm/simd.as';
import { expSum, indexOf, rowMax } from '../wasm/row.as';

/** log-softmax of four elements, from the row's maximum and the log of its sum of exponentials. */
@inline
function logSoftmax4(x: usize, max: v128, logSum: v128): v128 {
  return f32x4.sub(f32x4.sub(v128.load(x), max), logSum);
}

@unmanaged
class DivergenceStatsArgs {
  student: usize;
  teacher: usize;
  tokens: usize;
  floor: usize;
  stats: usize;
  rows: i32;
  cols: i32;
}

/** The eight fields of a row, as listed in statistics.ts. */
export function divergence_stats(args: DivergenceStatsArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const floor = load<f32>(args.floor);
  const floorWide = f32x4.splat(floor);
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const maxP = rowMax(student, cols);
    const maxQ = rowMax(teacher, cols);
    const logSumP = log1(expSum(student, maxP, cols));
    const logSumQ = log1(expSum(teacher, maxQ, cols));
    let reverse = f32x4.splat(0);
    let forward = f32x4.splat(0);
    let entropyP = f32x4.splat(0);
    let entropyQ = f32x4.splat(0);
    let clamped = f32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const mask = laneMask(cols - j);
      const logP = v128.and(logSoftmax4(at(student, j), f32x4.splat(maxP), f32x4.splat(logSumP)), mask);
      const rawQ = v128.and(logSoftmax4(at(teacher, j), f32x4.splat(maxQ), f32x4.splat(logSumQ)), mask);
      const logQ = f32x4.max(rawQ, floorWide);
      const p = v128.and(expDown4(logP), mask);
      const q = v128.and(expDown4(logQ), mask);
      reverse = madd(p, f32x4.sub(logP, logQ), reverse);
      forward = madd(q, f32x4.sub(logQ, logP), forward);
      entropyP = madd(p, logP, entropyP);
      entropyQ = madd(v128.and(expDown4(rawQ), mask), rawQ, entropyQ);
      clamped = f32x4.add(clamped, v128.and(p, f32x4.lt(rawQ, floorWide)));
    }
    const token = load<i32>(at(args.tokens, row));
    const stats = at(args.stats, 8 * row);
    store<f32>(stats, load<f32>(at(student, token)) - maxP - logSumP);
    store<f32>(stats, max<f32>(load<f32>(at(teacher, token)) - maxQ - logSumQ, floor), 4);
    store<f32>(stats, sumLanes(reverse), 8);
    store<f32>(stats, sumLanes(forward), 12);
    store<f32>(stats, -sumLanes(entropyP), 16);
    store<f32>(stats, -sumLanes(entropyQ), 20);
    store<f32>(stats, indexOf(student, maxP, cols) == indexOf(teacher, maxQ, cols) ? 1 : 0, 24);
    store<f32>(stats, sumLanes(clamped), 28);
  }
}
