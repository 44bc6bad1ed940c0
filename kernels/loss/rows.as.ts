// What the divergences share.
import { madd } from '../wasm/simd.as';

@unmanaged
export class DivergenceArgs {
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
export function bregman4(d: v128): v128 {
  let p = madd(d, f32x4.splat(1.0 / 40320), f32x4.splat(-1.0 / 5040));
  p = madd(p, d, f32x4.splat(1.0 / 720));
  p = madd(p, d, f32x4.splat(-1.0 / 120));
  p = madd(p, d, f32x4.splat(1.0 / 24));
  p = madd(p, d, f32x4.splat(-1.0 / 6));
  p = madd(p, d, f32x4.splat(0.5));
  return f32x4.mul(p, f32x4.mul(d, d));
}
