import { f16round } from '@petamoriken/float16';

/**
 * Element types of a buffer. `f64` exists on the cpu backend only (gradient checks); `f16` is a storage type:
 * every kernel reads it into f32, computes in f32 and rounds once when it stores.
 */
export type DType = 'f64' | 'f32' | 'f16' | 'i32';

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f64: 8, f32: 4, f16: 2, i32: 4 };

/** What a kernel reference computes on. JavaScript numbers are f64; the array rounds when a value is stored. */
export type NumberArray = Float64Array | Float32Array | Int32Array;

const f32Scratch = new Float32Array(1);
const bitsScratch = new Uint32Array(f32Scratch.buffer);

/**
 * The bit pattern of `value` rounded to IEEE 754 binary16 (round to nearest, ties to even; overflow becomes infinity).
 */
export function float16Bits(value: number): number {
  const rounded = f16round(value); // rounds from f64 at once: no double rounding
  f32Scratch[0] = rounded;
  const bits = bitsScratch[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(rounded);
  if (Number.isNaN(rounded)) return 0x7e00;
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24); // subnormals are multiples of 2^-24
  return sign | ((((bits >>> 23) & 0xff) - 127 + 15) << 10) | ((bits >>> 13) & 0x3ff);
}

const float16Table = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) float16Table[bits] = sign * fraction * 2 ** -24;
  else if (exponent === 31) float16Table[bits] = fraction ? NaN : sign * Infinity;
  else float16Table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The value of a binary16 bit pattern. */
export function float16Value(bits: number): number {
  return float16Table[bits & 0xffff]!;
}

/**
 * A copy of `bytes` as numbers a reference can compute on: f64 -> Float64Array, f32 and f16 -> Float32Array,
 * i32 -> Int32Array.
 */
export function decodeElements(
  bytes: ArrayBuffer | SharedArrayBuffer,
  dtype: DType,
  byteOffset = 0,
  count?: number,
): NumberArray {
  const length = count ?? Math.floor((bytes.byteLength - byteOffset) / bytesPerElement[dtype]);
  switch (dtype) {
    case 'f64':
      return new Float64Array(bytes, byteOffset, length).slice();
    case 'f32':
      return new Float32Array(bytes, byteOffset, length).slice();
    case 'i32':
      return new Int32Array(bytes, byteOffset, length).slice();
    case 'f16':
      return Float32Array.from(new Uint16Array(bytes, byteOffset, length), float16Value);
  }
}

/** `values` as the bytes of a buffer of `dtype`, rounded to it. */
export function encodeElements(values: ArrayLike<number>, dtype: DType): ArrayBuffer {
  switch (dtype) {
    case 'f64':
      return Float64Array.from(values).buffer;
    case 'f32':
      return Float32Array.from(values).buffer;
    case 'i32':
      return Int32Array.from(values).buffer;
    case 'f16':
      return Uint16Array.from(values, float16Bits).buffer;
  }
}
