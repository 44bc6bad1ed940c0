// Reverse and forward KL; one unit is one row.
//
// Both are sums of terms that nearly cancel where student and teacher agree, or are sure of the same token. With d =
// log p - log q, and s and t the logits of student and teacher above the largest of their rows:
// - d = (s - t) - (log sum e^s - log sum e^t): the difference of the logits comes first, it is exact where they agree;
// - the floor goes under t: log q = max(t, floor + log sum e^t) - log sum e^t;
// - KL(p || q) = sum p (d + e^-d - 1) + (1 - sum q): no term is negative, and each is of second order where d is small.
//   sum q - 1 is what the floor adds, the sum of e^floor - q over the tokens it lifts. KL(q || p) likewise, with -d.
// Logits of -infinity give p or q of 0, and terms of 0; the floor lifts no such q. Rows of weight 0 count nothing.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-rows.json, beside other work), 1152
// rows of 128: reverse KL 45 times as fast as the reference, forward KL 53 times.
import { at, exp1, laneMask, log1, madd, storeLanes, sumLanes, times4 } from '../wasm/simd.as';
import { clearRow, expRow, indexOf, rowMax, sumBlock } from '../wasm/row.as';

@unmanaged
class DivergenceArgs {
  student: usize;
  teacher: usize;
  weight: usize;
  floor: usize;
  loss: usize;
  grad: usize;
  rows: i32;
  cols: i32;
}

/** d + e^-d - 1 for |d| < 1/2: its Taylor series from d^2 / 2 to d^8. */
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

/** Where |d| < 1/2, differences of exponentials would cancel. */
@inline
function isClose4(d: v128, p: v128, q: v128): v128 {
  return v128.and(f32x4.lt(f32x4.abs(d), f32x4.splat(0.5)), f32x4.gt(f32x4.mul(p, q), f32x4.splat(0)));
}

/** p (d + e^-d - 1) = p d - p + q, a term of KL(p || q) and, with (-d, q, p), of KL(q || p). */
@inline
function klTerm4(d: v128, p: v128, q: v128): v128 {
  const far = f32x4.add(f32x4.sub(times4(p, d), p), q);
  return v128.bitselect(f32x4.mul(p, bregman4(d)), far, isClose4(d, p, q));
}

/** p - q: p (1 - e^-d) = p (d - (d + e^-d - 1)) where they are close. */
@inline
function difference4(d: v128, p: v128, q: v128): v128 {
  return v128.bitselect(f32x4.mul(p, f32x4.sub(d, bregman4(d))), f32x4.sub(p, q), isClose4(d, p, q));
}

export function distillation_reverse_kl(args: DivergenceArgs, begin: i32, end: i32, scratch: usize): void {
  diverge(true, args, begin, end, scratch);
}

export function distillation_forward_kl(args: DivergenceArgs, begin: i32, end: i32, scratch: usize): void {
  diverge(false, args, begin, end, scratch);
}

/** Two walks of a row after the softmax sums: one for the loss, one for the gradient. `scaledQ` holds q * sumQ. */
@inline
function diverge(isReverse: bool, args: DivergenceArgs, begin: i32, end: i32, scaledQ: usize): void {
  const cols = args.cols;
  const floor = load<f32>(args.floor);
  const floorQ = f32x4.splat(exp1(floor));
  for (let row = begin; row < end; row++) {
    const student = at(args.student, row * cols);
    const teacher = at(args.teacher, row * cols);
    const grad = at(args.grad, row * cols);
    const weight = load<f32>(at(args.weight, row));
    if (weight == 0) {
      clearRow(grad, cols);
      store<f32>(at(args.loss, row), 0);
      continue;
    }
    const maxP = rowMax(student, cols);
    const sumP = expRow(grad, student, maxP, cols); // grad holds p * sumP until the last walk
    const maxQ = rowMax(teacher, cols);
    const sumQ = expRow(scaledQ, teacher, maxQ, cols);
    const scaleP = f32x4.splat(1 / sumP);
    const scaleQ = f32x4.splat(1 / sumQ);
    const largestP = f32x4.splat(maxP);
    const largestQ = f32x4.splat(maxQ);
    const lowestT = floor + log1(sumQ);
    const lowest = f32x4.splat(lowestT);
    const ratio = f32x4.splat(log1(sumP / sumQ));
    // s - t at the student's likeliest token: less this, sum p (d - KL) has no large terms
    const centre = f32x4.splat(-max<f32>(load<f32>(at(teacher, indexOf(student, maxP, cols))) - maxQ, lowestT));

    let totals: f64 = 0;
    let lifts: f64 = 0; // sum q - 1
    let excesses: f64 = 0; // sum p (s - t - centre), for the reverse KL's gradient
    for (let from: i32 = 0; from < cols; from += sumBlock) {
      const stop = min(cols, from + sumBlock);
      let total = f32x4.splat(0);
      let lift = f32x4.splat(0);
      let excess = f32x4.splat(0);
      for (let j = from; j < stop; j += 4) {
        const mask = laneMask(cols - j);
        const t = f32x4.sub(v128.load(at(teacher, j)), largestQ);
        const isLifted = v128.and(f32x4.lt(t, lowest), f32x4.gt(t, f32x4.splat(-Infinity)));
        const rawQ = f32x4.mul(v128.load(at(scaledQ, j)), scaleQ);
        const q = v128.bitselect(floorQ, rawQ, isLifted);
        const p = f32x4.mul(v128.load(at(grad, j)), scaleP);
        const apart = f32x4.sub(f32x4.sub(v128.load(at(student, j)), largestP), f32x4.pmax(t, lowest));
        const d = f32x4.sub(apart, ratio);
        const term = isReverse ? klTerm4(d, p, q) : klTerm4(f32x4.neg(d), q, p);
        total = f32x4.add(total, v128.and(term, mask));
        lift = f32x4.add(lift, v128.and(f32x4.sub(q, rawQ), v128.and(isLifted, mask)));
        if (isReverse) excess = f32x4.add(excess, v128.and(times4(p, f32x4.sub(apart, centre)), mask));
      }
      totals += <f64>sumLanes(total);
      lifts += <f64>sumLanes(lift);
      excesses += <f64>sumLanes(excess);
    }
    store<f32>(at(args.loss, row), weight * <f32>(isReverse ? totals - lifts : totals + lifts));

    const weightWide = f32x4.splat(weight);
    const excess = f32x4.splat(<f32>excesses);
    const lifted = f32x4.splat(<f32>lifts);
    for (let j: i32 = 0; j < cols; j += 4) {
      const t = f32x4.sub(v128.load(at(teacher, j)), largestQ);
      const p = f32x4.mul(v128.load(at(grad, j)), scaleP);
      const apart = f32x4.sub(f32x4.sub(v128.load(at(student, j)), largestP), f32x4.pmax(t, lowest));
      let slope: v128;
      if (isReverse) {
        slope = times4(p, f32x4.sub(f32x4.sub(apart, centre), excess)); // p (d - KL)
      } else {
        const rawQ = f32x4.mul(v128.load(at(scaledQ, j)), scaleQ);
        const isLifted = v128.and(f32x4.lt(t, lowest), f32x4.gt(t, f32x4.splat(-Infinity)));
        const q = v128.bitselect(floorQ, rawQ, isLifted);
        slope = madd(p, lifted, difference4(f32x4.sub(apart, ratio), p, q)); // p sum(q) - q = p (sum(q) - 1) + (p - q)
      }
      storeLanes(at(grad, j), f32x4.mul(weightWide, slope), cols - j);
    }
  }
}
