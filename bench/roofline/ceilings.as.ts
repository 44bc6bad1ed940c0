// What one machine can do at most, for the roofline of bench/kernels.ts: loops that do one thing each, run by the same
// threads as the kernels. No part of the library: bench/roofline/wasm.ts compiles them when they are needed.
import { at, expDown4, madd } from '../../kernels/wasm/simd.as';

@unmanaged
class FmaArgs {
  rounds: i32;
  a: f32;
  b: f32;
  /** Four floats per unit: the sum of its chains. */
  out: usize;
}

/** c = c a + b: 96 operations per round. */
export function ceiling_fma(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  chains(0, args, begin, end);
}

/** c = e^-c: 48 exponentials per round. */
export function ceiling_exp(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  chains(1, args, begin, end);
}

/** c = a / sqrt(c): 48 roots and as many quotients per round. */
export function ceiling_root(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  chains(2, args, begin, end);
}

@inline
function link(kind: i32, c: v128, a: v128, b: v128): v128 {
  if (kind === 0) return madd(c, a, b);
  return kind === 1 ? expDown4(f32x4.neg(c)) : f32x4.div(a, f32x4.sqrt(c));
}

/** Twelve chains of four lanes that never leave their registers. */
@inline
function chains(kind: i32, args: FmaArgs, begin: i32, end: i32): void {
  const a = f32x4.splat(args.a);
  const b = f32x4.splat(args.b);
  for (let unit = begin; unit < end; unit++) {
    let c0 = kind === 0 ? f32x4.splat(0) : b;
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let c4 = c0;
    let c5 = c0;
    let c6 = c0;
    let c7 = c0;
    let c8 = c0;
    let c9 = c0;
    let c10 = c0;
    let c11 = c0;
    for (let r: i32 = 0, rounds = args.rounds; r < rounds; r++) {
      c0 = link(kind, c0, a, b);
      c1 = link(kind, c1, a, b);
      c2 = link(kind, c2, a, b);
      c3 = link(kind, c3, a, b);
      c4 = link(kind, c4, a, b);
      c5 = link(kind, c5, a, b);
      c6 = link(kind, c6, a, b);
      c7 = link(kind, c7, a, b);
      c8 = link(kind, c8, a, b);
      c9 = link(kind, c9, a, b);
      c10 = link(kind, c10, a, b);
      c11 = link(kind, c11, a, b);
    }
    const sum = f32x4.add(
      f32x4.add(f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3)), f32x4.add(f32x4.add(c4, c5), f32x4.add(c6, c7))),
      f32x4.add(f32x4.add(c8, c9), f32x4.add(c10, c11)),
    );
    v128.store(args.out + ((<usize>unit) << 4), sum);
  }
}

@unmanaged
class StreamArgs {
  /** Bytes of one array that a unit works on, a multiple of 64. */
  bytes: i32;
  rounds: i32;
  x: usize;
  y: usize;
  z: usize;
  factor: f32;
}

/** Sum of x, `rounds` times over: four floats per unit at z. */
export function ceiling_read(args: StreamArgs, begin: i32, end: i32, scratch: usize): void {
  for (let unit = begin; unit < end; unit++) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    const start = args.x + (<usize>unit) * (<usize>args.bytes);
    for (let r: i32 = 0; r < args.rounds; r++) {
      for (let p = start, stop = start + <usize>args.bytes; p < stop; p += 64) {
        s0 = f32x4.add(s0, v128.load(p));
        s1 = f32x4.add(s1, v128.load(p, 16));
        s2 = f32x4.add(s2, v128.load(p, 32));
        s3 = f32x4.add(s3, v128.load(p, 48));
      }
    }
    v128.store(args.z + ((<usize>unit) << 4), f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  }
}

/** y = x, `rounds` times over. */
export function ceiling_copy(args: StreamArgs, begin: i32, end: i32, scratch: usize): void {
  for (let unit = begin; unit < end; unit++) {
    const offset = (<usize>unit) * (<usize>args.bytes);
    for (let r: i32 = 0; r < args.rounds; r++) {
      for (let x = args.x + offset, y = args.y + offset, stop = x + <usize>args.bytes; x < stop; x += 64, y += 64) {
        v128.store(y, v128.load(x));
        v128.store(y, v128.load(x, 16), 16);
        v128.store(y, v128.load(x, 32), 32);
        v128.store(y, v128.load(x, 48), 48);
      }
    }
  }
}

/** z = x + factor y, `rounds` times over: the triad of STREAM (McCalpin 1995). */
export function ceiling_triad(args: StreamArgs, begin: i32, end: i32, scratch: usize): void {
  const factor = f32x4.splat(args.factor);
  for (let unit = begin; unit < end; unit++) {
    const offset = (<usize>unit) * (<usize>args.bytes);
    for (let r: i32 = 0; r < args.rounds; r++) {
      let y = args.y + offset;
      let z = args.z + offset;
      for (let x = args.x + offset, stop = x + <usize>args.bytes; x < stop; x += 64, y += 64, z += 64) {
        v128.store(z, madd(factor, v128.load(y), v128.load(x)));
        v128.store(z, madd(factor, v128.load(y, 16), v128.load(x, 16)), 16);
        v128.store(z, madd(factor, v128.load(y, 32), v128.load(x, 32)), 32);
        v128.store(z, madd(factor, v128.load(y, 48), v128.load(x, 48)), 48);
      }
    }
  }
}
