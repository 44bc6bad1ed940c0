// Statistics of divergence; one unit is one row.
import { at, exp1, expDown4, laneMask, log1, sumLanes, times4 } from '../wasm/simd.as';
import { expSum, indexOf, rowMax, sumBlock } from '../wasm/row.as';

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
  const floorQ = f32x4.splat(exp1(floor));
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const maxP = rowMax(student, cols);
    const maxQ = rowMax(teacher, cols);
    const logSumP = log1(expSum(student, maxP, cols));
    const logSumQ = log1(expSum(teacher, maxQ, cols));
    let reverses: f64 = 0;
    let forwards: f64 = 0;
    let entropiesP: f64 = 0;
    let entropiesQ: f64 = 0;
    let clampeds: f64 = 0;
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let reverse = f32x4.splat(0);
      let forward = f32x4.splat(0);
      let entropyP = f32x4.splat(0);
      let entropyQ = f32x4.splat(0);
      let clamped = f32x4.splat(0);
      for (let j = from; j < stop; j += 4) {
        const mask = laneMask(cols - j);
        const logP = v128.and(logSoftmax4(at(student, j), f32x4.splat(maxP), f32x4.splat(logSumP)), mask);
        const rawQ = v128.and(logSoftmax4(at(teacher, j), f32x4.splat(maxQ), f32x4.splat(logSumQ)), mask);
        const logQ = f32x4.pmax(rawQ, floorWide);
        const p = v128.and(expDown4(logP), mask);
        const plainQ = v128.and(expDown4(rawQ), mask);
        const isLow = v128.and(f32x4.lt(rawQ, floorWide), mask);
        const isLifted = v128.and(isLow, f32x4.gt(rawQ, f32x4.splat(-Infinity)));
        const q = v128.bitselect(floorQ, plainQ, isLifted);
        reverse = f32x4.add(reverse, times4(p, f32x4.sub(logP, logQ)));
        forward = f32x4.add(forward, times4(q, f32x4.sub(logQ, logP)));
        entropyP = f32x4.add(entropyP, times4(p, logP));
        entropyQ = f32x4.add(entropyQ, times4(plainQ, rawQ));
        clamped = f32x4.add(clamped, v128.and(p, isLow));
      }
      reverses += <f64>sumLanes(reverse);
      forwards += <f64>sumLanes(forward);
      entropiesP += <f64>sumLanes(entropyP);
      entropiesQ += <f64>sumLanes(entropyQ);
      clampeds += <f64>sumLanes(clamped);
    }
    const token = load<i32>(at(args.tokens, row));
    const counts = <u32>token < <u32>cols;
    const agree: f32 = indexOf(student, maxP, cols) == indexOf(teacher, maxQ, cols) ? 1 : 0;
    const none = maxP - maxP + (maxQ - maxQ); // NaN where a row has no distribution, else 0
    const stats = at(args.stats, 8 * row);
    store<f32>(stats, counts ? load<f32>(at(student, token)) - maxP - logSumP : 0);
    store<f32>(stats, counts ? max<f32>(load<f32>(at(teacher, token)) - maxQ - logSumQ, floor) : 0, 4);
    store<f32>(stats, <f32>reverses, 8);
    store<f32>(stats, <f32>forwards, 12);
    store<f32>(stats, -<f32>entropiesP, 16);
    store<f32>(stats, -<f32>entropiesQ, 20);
    store<f32>(stats, agree + none, 24);
    store<f32>(stats, <f32>clampeds, 28);
  }
}
