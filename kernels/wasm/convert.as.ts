// Between f16 as it is stored (IEEE 754 binary16) and f32 as everything is computed. These two are not kernels of the
// registry: the backend puts them around a kernel whose operands are f16.
import { at } from './simd.as';

/** Elements per unit of work: must agree with core/backends/wasm-f16.ts. */
const elementsPerUnit = 4096;

@unmanaged
class ConvertArgs {
  from: usize;
  to: usize;
  n: i32;
}

/**
 * Four f16 in the low halves of four lanes, to f32. The exponent is moved up and its bias corrected by an exact
 * multiplication with 2^112, which also normalises subnormals; infinity and NaN then need their exponent filled up.
 */
@inline
function toFloat(h: v128): v128 {
  const magnitude = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const scaled = f32x4.mul(magnitude, i32x4.splat(0x77800000)); // 2^112
  const special = i32x4.ge_s(magnitude, i32x4.splat(0x0f800000));
  const filled = v128.or(scaled, v128.and(special, i32x4.splat(0x7f800000)));
  return v128.or(filled, i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16));
}

/** Four f32 to f16 in the low halves of four lanes: round to nearest, ties to even; overflow becomes infinity. */
@inline
function toHalf(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  // normal: add half of the last place kept (less one unless the last kept bit is odd), rebias 127 -> 15, shift
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff - 0x38000000)), odd);
  const normal = i32x4.shr_u(rounded, 13);
  // subnormal: adding 0.5 puts the units of 2^-24 into the last bits of the fraction, rounded by the addition itself
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  let half = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  // 65520 and above round to infinity; NaN becomes the quiet NaN
  half = v128.bitselect(i32x4.splat(0x7c00), half, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  half = v128.bitselect(i32x4.splat(0x7e00), half, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(half, sign);
}

/** to[i] = from[i], f16 to f32. */
export function decode_f16(args: ConvertArgs, begin: i32, end: i32, scratch: usize): void {
  const stop = min(args.n, end * elementsPerUnit);
  let i = begin * elementsPerUnit;
  let from = args.from + ((<usize>i) << 1);
  for (; i <= stop - 8; i += 8, from += 16) {
    const packed = v128.load(from);
    v128.store(at(args.to, i), toFloat(i32x4.extend_low_i16x8_u(packed)));
    v128.store(at(args.to, i), toFloat(i32x4.extend_high_i16x8_u(packed)), 16);
  }
  for (; i < stop; i++, from += 2)
    store<f32>(at(args.to, i), f32x4.extract_lane(toFloat(i32x4.splat(<i32>load<u16>(from))), 0));
}

/** to[i] = from[i], f32 to f16. */
export function encode_f16(args: ConvertArgs, begin: i32, end: i32, scratch: usize): void {
  const stop = min(args.n, end * elementsPerUnit);
  let i = begin * elementsPerUnit;
  let to = args.to + ((<usize>i) << 1);
  for (; i <= stop - 8; i += 8, to += 16) {
    const low = toHalf(v128.load(at(args.from, i)));
    const high = toHalf(v128.load(at(args.from, i), 16));
    v128.store(to, i16x8.narrow_i32x4_u(low, high));
  }
  for (; i < stop; i++, to += 2)
    store<u16>(to, <u16>i32x4.extract_lane(toHalf(v128.load32_splat(at(args.from, i))), 0));
}
