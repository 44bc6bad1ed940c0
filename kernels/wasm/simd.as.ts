// Vectors of four floats: what WebAssembly SIMD lacks and every kernel needs. All functions are inlined.
//
// Loads may run over the end of a row by up to seven elements: the host keeps a margin at the end of its memory, and
// lanes that hold nothing of the row are masked or never stored. Stores never run over.

/** a * b + c; fused, with one rounding, where the runtime has relaxed SIMD. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c - a * b, fused as in madd. */
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** p * d, and 0 where p is 0: 0 log 0 = 0. */
@inline
export function times4(p: v128, d: v128): v128 {
  return v128.and(f32x4.mul(p, d), f32x4.ne(p, f32x4.splat(0)));
}

/** Byte address of element i (4 bytes each) of a buffer. */
@inline
export function at(buffer: usize, i: i32): usize {
  return buffer + ((<usize>i) << 2);
}

/** Stores the first `count` lanes (4 or more: all of them). Inner loops store whole vectors and have it behind them. */
@inline
export function storeLanes(p: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(p, v);
  } else if (count > 0) {
    v128.store32_lane(p, v, 0);
    if (count > 1) v128.store32_lane(p, v, 1, 4);
    if (count > 2) v128.store32_lane(p, v, 2, 8);
  }
}

/** All bits set in the first `count` lanes. */
@inline
export function laneMask(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Sum of the lanes, always in the same order. */
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest lane, none of them NaN. */
@inline
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.pmax(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, i32x4.shuffle(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** Lane r is the sum of the lanes of argument r. */
@inline
export function transposeSum(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  const low = f32x4.add(i32x4.shuffle(v0, v1, 0, 4, 1, 5), i32x4.shuffle(v0, v1, 2, 6, 3, 7));
  const high = f32x4.add(i32x4.shuffle(v2, v3, 0, 4, 1, 5), i32x4.shuffle(v2, v3, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(low, high, 0, 2), i64x2.shuffle(low, high, 1, 3));
}

/** Lane r is the largest lane of argument r. */
@inline
export function transposeMax(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  const low = f32x4.pmax(i32x4.shuffle(v0, v1, 0, 4, 1, 5), i32x4.shuffle(v0, v1, 2, 6, 3, 7));
  const high = f32x4.pmax(i32x4.shuffle(v2, v3, 0, 4, 1, 5), i32x4.shuffle(v2, v3, 2, 6, 3, 7));
  return f32x4.pmax(i64x2.shuffle(low, high, 0, 2), i64x2.shuffle(low, high, 1, 3));
}

/** The least exponent, below which e^x counts as 0 (no subnormals). */
const lowest: f32 = -87.336544;

/**
 * e^x to about 1e-7 relative, 0 where x is below `lowest`; `inside` is x within bounds. x = n ln 2 + r with |r| <= ln 2
 * / 2; the polynomial for e^r is that of Cephes' expf (Moshier). Adding 1.5 * 2^23 rounds to an integer and leaves it
 * in the low bits.
 */
@inline
function expWithin4(inside: v128, x: v128): v128 {
  const magic = f32x4.splat(12582912);
  const shifted = madd(inside, f32x4.splat(1.44269504088896341), magic);
  const n = f32x4.sub(shifted, magic);
  let r = nmadd(n, f32x4.splat(0.693359375), inside);
  r = nmadd(n, f32x4.splat(-2.12194440e-4), r);
  let p = madd(r, f32x4.splat(1.9875691500e-4), f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, f32x4.splat(1)));
  return v128.andnot(i32x4.add(p, i32x4.shl(shifted, 23)), f32x4.lt(x, f32x4.splat(lowest)));
}

/** e^x; infinity above 88.7, NaN for NaN. */
@inline
export function exp4(x: v128): v128 {
  const high = f32x4.splat(88.72283);
  const finite = expWithin4(f32x4.pmin(f32x4.pmax(x, f32x4.splat(lowest)), high), x);
  return v128.bitselect(f32x4.splat(Infinity), finite, f32x4.gt(x, high));
}

/** e^x for x <= 0, without the test for overflow: what softmax needs. */
@inline
export function expDown4(x: v128): v128 {
  return expWithin4(f32x4.pmax(x, f32x4.splat(lowest)), x);
}

/**
 * Natural logarithm to about 1e-7 relative; -infinity at 0, NaN below. x = 2^n m with m in [sqrt(1/2), sqrt(2)); the
 * polynomial is that of Cephes' logf (Moshier).
 */
@inline
export function log4(x: v128): v128 {
  const one = f32x4.splat(1);
  // subnormals are scaled by 2^23 into the normal range, and 23 is taken off again
  const small = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const y = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, small);
  const offset = v128.bitselect(i32x4.splat(126 + 23), i32x4.splat(126), small);
  let m = v128.or(v128.and(y, i32x4.splat(0x007fffff)), f32x4.splat(0.5)); // in [0.5, 1)
  const belowRoot = f32x4.lt(m, f32x4.splat(0.707106781186547524));
  let n = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(y, 23), offset));
  n = f32x4.sub(n, v128.and(one, belowRoot));
  m = f32x4.sub(f32x4.add(m, v128.and(m, belowRoot)), one);
  const z = f32x4.mul(m, m);
  let p = madd(m, f32x4.splat(7.0376836292e-2), f32x4.splat(-1.1514610310e-1));
  p = madd(p, m, f32x4.splat(1.1676998740e-1));
  p = madd(p, m, f32x4.splat(-1.2420140846e-1));
  p = madd(p, m, f32x4.splat(1.4249322787e-1));
  p = madd(p, m, f32x4.splat(-1.6668057665e-1));
  p = madd(p, m, f32x4.splat(2.0000714765e-1));
  p = madd(p, m, f32x4.splat(-2.4999993993e-1));
  p = madd(p, m, f32x4.splat(3.3333331174e-1));
  p = f32x4.mul(f32x4.mul(p, m), z);
  p = madd(n, f32x4.splat(-2.12194440e-4), p);
  p = nmadd(z, f32x4.splat(0.5), p);
  let result = madd(n, f32x4.splat(0.693359375), f32x4.add(m, p));
  result = v128.bitselect(x, result, f32x4.eq(x, f32x4.splat(Infinity)));
  result = v128.bitselect(f32x4.splat(-Infinity), result, f32x4.eq(x, f32x4.splat(0)));
  // NaN has failed every comparison so far; x >= 0 sorts out both it and the negative numbers
  return v128.bitselect(result, f32x4.splat(NaN), f32x4.ge(x, f32x4.splat(0)));
}

/**
 * Hyperbolic tangent to about 3e-7 relative: the rational approximation of Eigen's generic ptanh, odd over even; 1 from
 * where f32 has nothing between.
 */
@inline
export function tanh4(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, f32x4.splat(-7.90531110763549805)), f32x4.splat(7.90531110763549805));
  const z = f32x4.mul(x, x);
  let p = madd(z, f32x4.splat(-2.76076847742355e-16), f32x4.splat(2.00018790482477e-13));
  p = madd(p, z, f32x4.splat(-8.60467152213735e-11));
  p = madd(p, z, f32x4.splat(5.12229709037114e-8));
  p = madd(p, z, f32x4.splat(1.48572235717979e-5));
  p = madd(p, z, f32x4.splat(6.37261928875436e-4));
  p = madd(p, z, f32x4.splat(4.89352455891786e-3));
  let q = madd(z, f32x4.splat(1.19825839466702e-6), f32x4.splat(1.18534705686654e-4));
  q = madd(q, z, f32x4.splat(2.2684346324390e-3));
  q = madd(q, z, f32x4.splat(4.89352518554385e-3));
  const tiny = f32x4.lt(f32x4.abs(value), f32x4.splat(0.0004));
  const far = f32x4.gt(f32x4.abs(value), f32x4.splat(9.0109));
  const sign = v128.and(value, i32x4.splat(0x80000000));
  const inner = v128.bitselect(value, f32x4.div(f32x4.mul(x, p), q), tiny);
  return v128.bitselect(v128.or(sign, f32x4.splat(1)), inner, far);
}

/** e^x of one number. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** Natural logarithm of one number. */
@inline
export function log1(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}
