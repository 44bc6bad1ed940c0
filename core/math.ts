/**
 * Sine, cosine, exponential and logarithm with the same bits in every JavaScript engine: they are made of additions,
 * multiplications and divisions, which IEEE 754 rounds one way only, while `Math.sin` and the like differ in their last
 * bits between engines, and between versions of one. Whatever a run follows from (weights, schedules, features,
 * pictures) is computed with these.
 *
 * The textbook way: an argument is taken into a small interval around 0, by multiples of a constant in two parts whose
 * first has zeros at its end (Cody and Waite 1980), and a Taylor series is summed there. Errors are below two units in
 * the last place.
 */

/** pi/2 and ln 2 as sums; a multiple of the first part by a whole number below 2^20 is exact. */
const [halfPi, halfPiRest] = [1.57079632673412561417, 6.07710050650619224932e-11] as const;
const [ln2, ln2Rest] = [6.9314718036912381649e-1, 1.90821492927058770002e-10] as const;

/** c[0] + c[1] x + c[2] x^2 + ... */
const polynomial = (coefficients: readonly number[], x: number) =>
  coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);

const factorials: number[] = [1];
for (let n = 1; n < 20; n++) factorials.push(factorials[n - 1]! * n);

/** Of sin(r) / r and cos(r) in r^2, of e^r in r, and of 2 (artanh(s) / s - 1) / s^2 in s^2. */
const sines = [1, 3, 5, 7, 9, 11, 13, 15, 17].map((n, i) => (-1) ** i / factorials[n]!);
const cosines = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18].map((n, i) => (-1) ** i / factorials[n]!);
const exponentials = factorials.slice(0, 16).map(value => 1 / value);
const artanhs = [3, 5, 7, 9, 11, 13, 15, 17, 19, 21].map(n => 2 / n);

/** Sine of r + quarters * pi/2, |r| <= pi/4. */
function sineOf(r: number, quarters: number): number {
  const value = quarters % 2 === 0 ? r * polynomial(sines, r * r) : polynomial(cosines, r * r);
  return (quarters & 2) === 0 ? value : -value;
}

function quarterTurns(x: number, more: number): number {
  const quarters = Math.round(x / (halfPi + halfPiRest));
  if (!(Math.abs(quarters) < 2 ** 20)) return NaN;
  return sineOf(x - quarters * halfPi - quarters * halfPiRest, quarters + more);
}

/** Sine of x in radians, |x| < 10^6; NaN beyond. */
export const sin = (x: number): number => quarterTurns(x, 0);

/** Cosine of x in radians, |x| < 10^6; NaN beyond. */
export const cos = (x: number): number => quarterTurns(x, 1);

const bits = new DataView(new ArrayBuffer(8));

/** 2^exponent of a normal number: -1022..1023. */
function powerOfTwo(exponent: number): number {
  bits.setBigUint64(0, BigInt(exponent + 1023) << 52n);
  return bits.getFloat64(0);
}

/** e^x. */
export function exp(x: number): number {
  if (!(x > -745.2)) return Number.isNaN(x) ? NaN : 0;
  if (x > 709.8) return Infinity;
  const k = Math.round(x / ln2);
  const value = polynomial(exponentials, x - k * ln2 - k * ln2Rest);
  const half = Math.trunc(k / 2); // 2^k alone may be too large or too small for a normal number
  return value * powerOfTwo(half) * powerOfTwo(k - half);
}

/** Natural logarithm: -Infinity at 0, NaN below. */
export function log(x: number): number {
  if (!(x > 0) || x === Infinity) return x === 0 ? -Infinity : x > 0 ? Infinity : NaN;
  if (x < 2 ** -1022) return log(x * 2 ** 54) - 54 * ln2 - 54 * ln2Rest;
  bits.setFloat64(0, x);
  let exponent = (bits.getUint16(0) >> 4) - 1023;
  let m = x / powerOfTwo(exponent); // 1..2
  if (m > Math.SQRT2) {
    m /= 2;
    exponent++;
  }
  // log(1 + f) = 2 artanh(s) = 2 s + s r with 2 s = f - s f: f, which is exact, leads, and what is rounded is small
  const f = m - 1;
  const s = f / (2 + f);
  const square = f * (f / 2);
  const r = s * s * polynomial(artanhs, s * s);
  return exponent * ln2 - (square - (s * (square + r) + exponent * ln2Rest) - f);
}
