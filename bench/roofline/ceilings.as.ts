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

/** c = c a + b in twelve chains of four lanes that never leave their registers: 96 operations per round. */
export function ceiling_fma(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  const a = f32x4.splat(args.a);
  const b = f32x4.splat(args.b);
  for (let unit = begin; unit < end; unit++) {
    let c0 = f32x4.splat(0);
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
      c0 = madd(c0, a, b);
      c1 = madd(c1, a, b);
      c2 = madd(c2, a, b);
      c3 = madd(c3, a, b);
      c4 = madd(c4, a, b);
      c5 = madd(c5, a, b);
      c6 = madd(c6, a, b);
      c7 = madd(c7, a, b);
      c8 = madd(c8, a, b);
      c9 = madd(c9, a, b);
      c10 = madd(c10, a, b);
      c11 = madd(c11, a, b);
    }
    const sum = f32x4.add(
      f32x4.add(f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3)), f32x4.add(f32x4.add(c4, c5), f32x4.add(c6, c7))),
      f32x4.add(f32x4.add(c8, c9), f32x4.add(c10, c11)),
    );
    v128.store(args.out + ((<usize>unit) << 4), sum);
  }
}

/** c = e^-c in eight chains of four lanes: 32 exponentials per round. */
export function ceiling_exp(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  chains(true, args, begin, end);
}

/** c = a / sqrt(c) likewise: 32 roots and as many quotients per round. */
export function ceiling_root(args: FmaArgs, begin: i32, end: i32, scratch: usize): void {
  chains(false, args, begin, end);
}

@inline
function link(exponential: bool, c: v128, a: v128): v128 {
  return exponential ? expDown4(f32x4.neg(c)) : f32x4.div(a, f32x4.sqrt(c));
}

@inline
function chains(exponential: bool, args: FmaArgs, begin: i32, end: i32): void {
  const a = f32x4.splat(args.a);
  for (let unit = begin; unit < end; unit++) {
    let c0 = f32x4.splat(args.b);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let c4 = c0;
    let c5 = c0;
    let c6 = c0;
    let c7 = c0;
    for (let r: i32 = 0, rounds = args.rounds; r < rounds; r++) {
      c0 = link(exponential, c0, a);
      c1 = link(exponential, c1, a);
      c2 = link(exponential, c2, a);
      c3 = link(exponential, c3, a);
      c4 = link(exponential, c4, a);
      c5 = link(exponential, c5, a);
      c6 = link(exponential, c6, a);
      c7 = link(exponential, c7, a);
    }
    const sum = f32x4.add(
      f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3)),
      f32x4.add(f32x4.add(c4, c5), f32x4.add(c6, c7)),
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
