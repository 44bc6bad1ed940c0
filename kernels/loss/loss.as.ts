// Losses from logits; one unit is one row.
import { at, expDown4, laneMask, log1, madd, storeLanes, sumLanes } from '../wasm/simd.as';
import { expRow, rowMax, rowSum } from '../wasm/row.as';

// @ts-ignore: decorator
@unmanaged
class CrossEntropyArgs {
  logits: usize;
  target: usize;
  weight: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
}

/** loss = -w sum t log p; grad = w (sum(t) p - t) */
export function cross_entropy(args: CrossEntropyArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  for (let row = begin; row < end; row++) {
    const z = at(args.logits, row * cols);
    const target = at(args.target, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    const max = rowMax(z, cols);
    const sum = expRow(grad, z, max, cols);
    const mass = rowSum(target, cols);
    const largest = f32x4.splat(max);
    const logSum = f32x4.splat(log1(sum));
    const weightWide = f32x4.splat(weight);
    const scale = f32x4.splat(mass / sum);
    let total = f32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const t = v128.load(at(target, j));
      const logP = f32x4.sub(f32x4.sub(v128.load(at(z, j)), largest), logSum);
      total = f32x4.add(total, v128.and(f32x4.mul(t, logP), laneMask(cols - j)));
      const slope = f32x4.sub(f32x4.mul(scale, v128.load(at(grad, j))), t);
      storeLanes(at(grad, j), f32x4.mul(weightWide, slope), cols - j);
    }
    store<f32>(at(args.loss, row), -weight * sumLanes(total));
  }
}

// @ts-ignore: decorator
@unmanaged
class DistillationArgs {
  student: usize;
  teacher: usize;
  weight: usize;
  floor: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
}

/** Sum of exp(x - max) of n elements. */
function expSum(x: usize, max: f32, n: i32): f32 {
  const largest = f32x4.splat(max);
  let sum = f32x4.splat(0);
  for (let j: i32 = 0; j < n; j += 4)
    sum = f32x4.add(sum, v128.and(expDown4(f32x4.sub(v128.load(at(x, j)), largest)), laneMask(n - j)));
  return sumLanes(sum);
}

/** log-softmax of four elements, from the row's maximum and the log of its sum of exponentials. */
// @ts-ignore: decorator
@inline
function logSoftmax4(x: usize, max: v128, logSum: v128): v128 {
  return f32x4.sub(f32x4.sub(v128.load(x), max), logSum);
}

/** loss = w sum p (log p - log q); grad = w p ((log p - log q) - KL) */
export function distillation_reverse_kl(args: DistillationArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const floor = v128.load32_splat(args.floor);
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    const maxP = rowMax(student, cols);
    const sumP = expRow(grad, student, maxP, cols); // grad holds p * sumP until the last pass
    const maxQ = rowMax(teacher, cols);
    const logSumQ = f32x4.splat(log1(expSum(teacher, maxQ, cols)));
    const logSumP = f32x4.splat(log1(sumP));
    const largestP = f32x4.splat(maxP);
    const largestQ = f32x4.splat(maxQ);
    let total = f32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const logP = logSoftmax4(at(student, j), largestP, logSumP);
      const logQ = f32x4.max(logSoftmax4(at(teacher, j), largestQ, logSumQ), floor);
      const term = f32x4.mul(v128.load(at(grad, j)), f32x4.sub(logP, logQ));
      total = f32x4.add(total, v128.and(term, laneMask(cols - j)));
    }
    const kl = sumLanes(total) / sumP;
    const klWide = f32x4.splat(kl);
    const scale = f32x4.splat(weight / sumP);
    for (let j: i32 = 0; j < cols; j += 4) {
      const logP = logSoftmax4(at(student, j), largestP, logSumP);
      const logQ = f32x4.max(logSoftmax4(at(teacher, j), largestQ, logSumQ), floor);
      const slope = f32x4.sub(f32x4.sub(logP, logQ), klWide);
      storeLanes(at(grad, j), f32x4.mul(f32x4.mul(v128.load(at(grad, j)), scale), slope), cols - j);
    }
    store<f32>(at(args.loss, row), weight * kl);
  }
}

/** loss = w sum q (log q - log p); grad = w (p sum(q) - q) */
export function distillation_forward_kl(args: DistillationArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const floor = v128.load32_splat(args.floor);
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    const maxP = rowMax(student, cols);
    const sumP = expRow(grad, student, maxP, cols);
    const maxQ = rowMax(teacher, cols);
    const logSumQ = f32x4.splat(log1(expSum(teacher, maxQ, cols)));
    const logSumP = f32x4.splat(log1(sumP));
    const largestP = f32x4.splat(maxP);
    const largestQ = f32x4.splat(maxQ);
    let total = f32x4.splat(0);
    let mass = f32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const mask = laneMask(cols - j);
      const logP = logSoftmax4(at(student, j), largestP, logSumP);
      const logQ = f32x4.max(logSoftmax4(at(teacher, j), largestQ, logSumQ), floor);
      const q = v128.and(expDown4(logQ), mask);
      mass = f32x4.add(mass, q);
      total = f32x4.add(total, v128.and(f32x4.mul(q, f32x4.sub(logQ, logP)), mask));
    }
    const weightWide = f32x4.splat(weight);
    const scale = f32x4.splat(sumLanes(mass) / sumP);
    for (let j: i32 = 0; j < cols; j += 4) {
      const q = expDown4(f32x4.max(logSoftmax4(at(teacher, j), largestQ, logSumQ), floor));
      const slope = f32x4.sub(f32x4.mul(v128.load(at(grad, j)), scale), q);
      storeLanes(at(grad, j), f32x4.mul(weightWide, slope), cols - j);
    }
    store<f32>(at(args.loss, row), weight * sumLanes(total));
  }
}

// @ts-ignore: decorator
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

/** Position of the first element equal to `value`. */
function indexOf(x: usize, value: f32, n: i32): i32 {
  for (let j: i32 = 0; j < n; j++) if (load<f32>(at(x, j)) == value) return j;
  return 0;
}

/** The eight fields of a row, as listed in loss.ts. */
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
