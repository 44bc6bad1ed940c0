// Losses from logits; one unit is one row.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-wasm.json), 1152 rows of 128: cross-entropy 0.57 ms, the reference
// 23; with tokens 0.22 and 15; reverse KL 1.0 and 40; forward KL 0.94 and 41; JSD 4.0 and 50.
import { at, exp1, exp4, expDown4, laneMask, log1, log4, madd, storeLanes, sumLanes } from '../wasm/simd.as';
import { expRow, indexOf, rowMax, rowSum, sumBlock } from '../wasm/row.as';

export * from './tokens.as';
export * from './top-k.as';

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
  let total: f32 = 0;
  for (let from: i32 = 0; from < n; from += sumBlock) total += blockExpSum(at(x, from), max, min(sumBlock, n - from));
  return total;
}

function blockExpSum(x: usize, max: f32, n: i32): f32 {
  const largest = f32x4.splat(max);
  let sum = f32x4.splat(0);
  for (let j: i32 = 0; j < n; j += 4)
    sum = f32x4.add(sum, v128.and(expDown4(f32x4.sub(v128.load(at(x, j)), largest)), laneMask(n - j)));
  return sumLanes(sum);
}

/** log-softmax of four elements, from the row's maximum and the log of its sum of exponentials. */
@inline
function logSoftmax4(x: usize, max: v128, logSum: v128): v128 {
  return f32x4.sub(f32x4.sub(v128.load(x), max), logSum);
}

/** d + e^-d - 1 for |d| < 1/2, where this sum would cancel: its Taylor series from d^2 / 2 to d^8. */
@inline
function bregman4(d: v128): v128 {
  let p = madd(d, f32x4.splat(1.0 / 40320), f32x4.splat(-1.0 / 5040));
  p = madd(p, d, f32x4.splat(1.0 / 720));
  p = madd(p, d, f32x4.splat(-1.0 / 120));
  p = madd(p, d, f32x4.splat(1.0 / 24));
  p = madd(p, d, f32x4.splat(-1.0 / 6));
  p = madd(p, d, f32x4.splat(0.5));
  return f32x4.mul(p, f32x4.mul(d, d));
}

/**
 * Numerics of the two divergences. With d = log p - log q, both are sums of terms that may cancel almost entirely, when student and
 * teacher agree, or when both are sure of the same token. Hence:
 * - d = (s - t) - D with D = lse(s) - lse(t): the difference of the logits first, it is exact where they agree;
 * - the floor is put under t: log q = max(t, floor + lse(t)) - lse(t);
 * - KL(p || q) = sum p (d + e^-d - 1) + (1 - sum q): terms that are never negative, and of second order where d is small. sum q - 1 is what
 *   the floor adds, the sum of e^floor - q over the tokens it touches. KL(q || p) likewise, with -d.
 */
export function distillation_reverse_kl(args: DistillationArgs, begin: i32, end: i32, scratch: usize): void {
  distillation(true, args, begin, end);
}

export function distillation_forward_kl(args: DistillationArgs, begin: i32, end: i32, scratch: usize): void {
  distillation(false, args, begin, end);
}

@inline
function distillation(isReverse: bool, args: DistillationArgs, begin: i32, end: i32): void {
  const cols = args.cols;
  const floor = load<f32>(args.floor);
  const floorQ = f32x4.splat(exp1(floor));
  const half = f32x4.splat(0.5);
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    const maxP = rowMax(student, cols);
    const sumP = expRow(grad, student, maxP, cols); // grad holds p * sumP until the last pass
    const maxQ = rowMax(teacher, cols);
    const sumQ = expSum(teacher, maxQ, cols);
    const lowest = f32x4.splat(floor + maxQ + log1(sumQ));
    // D in two parts: taking the first off leaves exactly 0 at a token that is the likeliest of both
    const gap = f32x4.splat(maxP - maxQ);
    const ratio = f32x4.splat(log1(sumP / sumQ));
    const largestQ = f32x4.splat(maxQ);
    const scaleP = f32x4.splat(1 / sumP);
    const scaleQ = f32x4.splat(1 / sumQ);
    // d at the student's likeliest token, or near it: sum p (d - KL) then has no large terms
    const centre = f32x4.splat(maxP - max<f32>(load<f32>(at(teacher, indexOf(student, maxP, cols))), floor + maxQ + log1(sumQ)));
    let totals = f32x4.splat(0);
    let extras = f32x4.splat(0); // sum q - 1
    let excesses = f32x4.splat(0); // sum p (s - t - centre)
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let total = f32x4.splat(0);
      let extra = f32x4.splat(0);
      let excess = f32x4.splat(0);
      for (let j = from; j < stop; j += 4) {
        const mask = laneMask(cols - j);
        const t = v128.load(at(teacher, j));
        const touched = f32x4.lt(t, lowest);
        const rawQ = f32x4.mul(expDown4(f32x4.sub(t, largestQ)), scaleQ);
        const q = v128.bitselect(floorQ, rawQ, touched);
        const p = f32x4.mul(v128.load(at(grad, j)), scaleP);
        const apart = f32x4.sub(v128.load(at(student, j)), f32x4.pmax(t, lowest));
        const d = f32x4.sub(f32x4.sub(apart, gap), ratio);
        extra = f32x4.add(extra, v128.and(f32x4.sub(q, rawQ), v128.and(touched, mask)));
        const close = f32x4.lt(f32x4.abs(d), half);
        let term: v128;
        if (isReverse) {
          excess = f32x4.add(excess, v128.and(f32x4.mul(p, f32x4.sub(apart, centre)), mask));
          const far = f32x4.add(f32x4.sub(f32x4.mul(p, d), p), q);
          term = v128.bitselect(f32x4.mul(p, bregman4(d)), far, close);
        } else {
          const far = f32x4.add(f32x4.sub(f32x4.mul(q, f32x4.neg(d)), q), p);
          term = v128.bitselect(f32x4.mul(q, bregman4(f32x4.neg(d))), far, close);
        }
        total = f32x4.add(total, v128.and(term, mask));
      }
      totals = f32x4.add(totals, total);
      extras = f32x4.add(extras, extra);
      excesses = f32x4.add(excesses, excess);
    }
    const added = sumLanes(extras);
    store<f32>(at(args.loss, row), weight * (isReverse ? sumLanes(totals) - added : sumLanes(totals) + added));

    const weightWide = f32x4.splat(weight);
    const excessWide = f32x4.splat(sumLanes(excesses));
    const addedWide = f32x4.splat(added);
    for (let j: i32 = 0; j < cols; j += 4) {
      const t = v128.load(at(teacher, j));
      const p = f32x4.mul(v128.load(at(grad, j)), scaleP);
      const apart = f32x4.sub(v128.load(at(student, j)), f32x4.pmax(t, lowest));
      let slope: v128;
      if (isReverse) {
        // p (d - KL)
        slope = f32x4.mul(p, f32x4.sub(f32x4.sub(apart, centre), excessWide));
      } else {
        // p sum(q) - q = p (sum(q) - 1) + (p - q), and p - q = p (1 - e^-d) = p (d - (d + e^-d - 1))
        const d = f32x4.sub(f32x4.sub(apart, gap), ratio);
        const rawQ = f32x4.mul(expDown4(f32x4.sub(t, largestQ)), scaleQ);
        const far = f32x4.sub(p, v128.bitselect(floorQ, rawQ, f32x4.lt(t, lowest)));
        const near = f32x4.mul(p, f32x4.sub(d, bregman4(d)));
        slope = madd(p, addedWide, v128.bitselect(near, far, f32x4.lt(f32x4.abs(d), half)));
      }
      storeLanes(at(grad, j), f32x4.mul(weightWide, slope), cols - j);
    }
  }
}

@unmanaged
class JsdArgs {
  student: usize;
  teacher: usize;
  weight: usize;
  floor: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
  beta: f32;
}

/** S in log(1 + x) = 2 z (1 + z^2 S), z = x / (2 + x), as a function of z^2 <= 1/9: 1/3 + z^2/5 + z^4/7 + ... */
@inline
function logSeries4(square: v128): v128 {
  let s = madd(square, f32x4.splat(1.0 / 13), f32x4.splat(1.0 / 11));
  s = madd(s, square, f32x4.splat(1.0 / 9));
  s = madd(s, square, f32x4.splat(1.0 / 7));
  s = madd(s, square, f32x4.splat(1.0 / 5));
  return madd(s, square, f32x4.splat(1.0 / 3));
}

/** Where the series is used: -1/2 <= x <= 1. */
@inline
function isNearZero4(x: v128): v128 {
  return v128.and(f32x4.ge(x, f32x4.splat(-0.5)), f32x4.le(x, f32x4.splat(1)));
}

/** log(1 + x) for x > -1, with all digits near 0. */
@inline
function log1p4(x: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.div(x, f32x4.add(x, f32x4.splat(2)));
  const square = f32x4.mul(z, z);
  const near = f32x4.mul(f32x4.add(z, z), madd(square, logSeries4(square), one));
  return v128.bitselect(near, log4(f32x4.add(one, x)), isNearZero4(x));
}

/** (1 + x) log(1 + x) - x for x >= -1, which is x^2 / 2 near 0 and never negative. */
@inline
function entropyGap4(x: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.div(x, f32x4.add(x, f32x4.splat(2)));
  const square = f32x4.mul(z, z);
  const inner = madd(f32x4.mul(z, f32x4.add(one, z)), logSeries4(square), one);
  const near = f32x4.div(f32x4.mul(f32x4.add(square, square), inner), f32x4.sub(one, z));
  const y = f32x4.pmax(f32x4.add(one, x), f32x4.splat(1e-37)); // y log y is 0 at 0
  const far = f32x4.sub(f32x4.mul(y, log4(y)), x);
  return v128.bitselect(near, far, isNearZero4(x));
}

/**
 * Generalised JSD. With d = log p - log q as above, s = |d|, e = exp(-s), and gamma the weight of the smaller of p and q in the
 * mixture m:
 * - m = larger * (1 + gamma (e - 1));
 * - a token's two terms, beta q log(q/m) + (1 - beta) p log(p/m), may cancel; their sum is m (gamma g(smaller/m - 1) +
 *   (1 - gamma) g(larger/m - 1)) with g(x) = (1 + x) log(1 + x) - x, where both are positive.
 *
 * The gradient needs log(p/m) - sum p log(p/m), or the same with log(p/m) less its value at the student's likeliest token 0
 * (see the reverse KL): that is -log(1 + beta (exp(-d) - exp(-d_0)) / (1 - beta + beta exp(-d_0))), small where it should be.
 * The thread's scratch holds p, then this.
 */
export function distillation_jsd(args: JsdArgs, begin: i32, end: i32, scratch: usize): void {
  const cols = args.cols;
  const floor = load<f32>(args.floor);
  const floorQ = f32x4.splat(exp1(floor));
  const half = f32x4.splat(0.5);
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const beta = f32x4.splat(args.beta);
  const rest = f32x4.splat(1 - args.beta);
  const pulls = at(scratch, cols + 4);
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const maxP = rowMax(student, cols);
    const sumP = expRow(scratch, student, maxP, cols);
    const maxQ = rowMax(teacher, cols);
    const sumQ = expSum(teacher, maxQ, cols);
    const lowestLogit = floor + maxQ + log1(sumQ);
    const lowest = f32x4.splat(lowestLogit);
    const gap = f32x4.splat(maxP - maxQ);
    const logRatio = f32x4.splat(log1(sumP / sumQ));
    const largestQ = f32x4.splat(maxQ);
    const scaleP = f32x4.splat(1 / sumP);
    const scaleQ = f32x4.splat(1 / sumQ);
    const apart0 = maxP - max<f32>(load<f32>(at(teacher, indexOf(student, maxP, cols))), lowestLogit);
    const ratio0 = exp1(-(apart0 - (maxP - maxQ) - log1(sumP / sumQ))); // q / p, at most cols
    const centre = f32x4.splat(apart0);
    const centreRatio = f32x4.splat(ratio0);
    const share = f32x4.splat(args.beta / (1 - args.beta + args.beta * ratio0));
    let totals = zero;
    let excesses = zero;
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let total = zero;
      let excess = zero;
      for (let j = from; j < stop; j += 4) {
        const mask = laneMask(cols - j);
        const t = v128.load(at(teacher, j));
        const rawQ = f32x4.mul(expDown4(f32x4.sub(t, largestQ)), scaleQ);
        const q = v128.bitselect(floorQ, rawQ, f32x4.lt(t, lowest));
        const p = f32x4.mul(v128.load(at(scratch, j)), scaleP);
        const apart = f32x4.sub(v128.load(at(student, j)), f32x4.pmax(t, lowest));
        const d = f32x4.sub(f32x4.sub(apart, gap), logRatio);
        const larger = f32x4.ge(d, zero); // p >= q
        const s = f32x4.abs(d);
        const e = expDown4(f32x4.neg(s));
        const lessOne = v128.bitselect(f32x4.sub(bregman4(s), s), f32x4.sub(e, one), f32x4.lt(s, half)); // e - 1
        const gamma = v128.bitselect(beta, rest, larger);
        const others = v128.bitselect(rest, beta, larger); // 1 - gamma
        const mixture = madd(gamma, lessOne, one); // m / larger
        const v = f32x4.div(lessOne, mixture); // (smaller - larger) / m
        const gaps = madd(
          gamma,
          entropyGap4(f32x4.mul(others, v)),
          f32x4.mul(others, entropyGap4(f32x4.neg(f32x4.mul(gamma, v)))),
        );
        const term = f32x4.mul(f32x4.mul(v128.bitselect(p, q, larger), mixture), gaps);
        total = f32x4.add(total, v128.and(term, mask));

        const delta = f32x4.sub(apart, centre);
        const near = f32x4.mul(centreRatio, f32x4.sub(bregman4(delta), delta));
        const ratio = exp4(f32x4.pmin(f32x4.neg(d), f32x4.splat(80))); // q / p; where it is larger, p is nothing
        const rise = v128.bitselect(near, f32x4.sub(ratio, centreRatio), f32x4.lt(f32x4.abs(delta), half));
        const pull = f32x4.neg(log1p4(f32x4.mul(share, rise)));
        excess = f32x4.add(excess, v128.and(f32x4.mul(p, pull), mask));
        storeLanes(at(pulls, j), pull, cols - j);
        storeLanes(at(scratch, j), p, cols - j);
      }
      totals = f32x4.add(totals, total);
      excesses = f32x4.add(excesses, excess);
    }
    const weight = load<f32>(at(args.weight, row));
    store<f32>(at(args.loss, row), weight * sumLanes(totals));
    const excessWide = f32x4.splat(sumLanes(excesses));
    const weightWide = f32x4.splat(weight * (1 - args.beta));
    const grad = at(args.grad, row * cols);
    for (let j: i32 = 0; j < cols; j += 4) {
      const slope = f32x4.mul(v128.load(at(scratch, j)), f32x4.sub(v128.load(at(pulls, j)), excessWide));
      storeLanes(at(grad, j), f32x4.mul(weightWide, slope), cols - j);
    }
  }
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
