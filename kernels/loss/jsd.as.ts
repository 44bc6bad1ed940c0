// Generalised Jensen-Shannon divergence; one unit is one row.
//
// Measured on one thread (`node dist/bench/reference.js`, bench/results/reference-wasm.json), 1152 rows of 128: 4.0 ms,
// the reference 50.
import { at, exp1, exp4, expDown4, laneMask, log1, log4, madd, storeLanes, sumLanes } from '../wasm/simd.as';
import { expRow, expSum, indexOf, rowMax, sumBlock } from '../wasm/row.as';
import { DivergenceArgs, bregman4 } from './rows.as';

@unmanaged
class JsdArgs extends DivergenceArgs {
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
 * Generalised JSD. With d = log p - log q as in divergence.as.ts, s = |d|, e = exp(-s), and gamma the weight of the
 * smaller of p and q in the mixture m:
 * - m = larger * (1 + gamma (e - 1));
 * - a token's two terms, beta q log(q/m) + (1 - beta) p log(p/m), may cancel; their sum is m (gamma g(smaller/m - 1) +
 *   (1 - gamma) g(larger/m - 1)) with g(x) = (1 + x) log(1 + x) - x, where both are positive.
 *
 * The gradient needs log(p/m) - sum p log(p/m), or the same with log(p/m) less its value at the student's likeliest
 * token 0 (see the reverse KL): that is -log(1 + beta (exp(-d) - exp(-d_0)) / (1 - beta + beta exp(-d_0))), small where
 * it should be. The thread's scratch holds p, then this.
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
