/**
 * What a kernel is: one description that every backend, test and benchmark reads.
 *
 * A kernel says once what it computes (`reference`, plain TypeScript over number arrays, which *is* the cpu backend),
 * then how WebAssembly and WGSL compute it, and what it costs. Shapes are run-time parameters. What changes from step
 * to step (learning rate, seed, temperature) comes in a buffer, never in compiled code.
 */
import type { DType, NumberArray } from './dtype.js';
import type { WgslMachine, WgslProfile } from './machine.js';

/** How a kernel uses a buffer: `update` reads and writes in place. */
export type Access = 'read' | 'write' | 'update';

/**
 * What a buffer may hold: `float` is f32 or f16 (f64 on cpu); `wide` is a float that is never f16 (statistics, losses,
 * optimiser state); `index` is i32.
 */
export type Kind = 'float' | 'wide' | 'index';

/** What a buffer of a kernel holds, and how the kernel uses it. */
export interface BufferSpec {
  readonly access: Access;
  readonly kind: Kind;
}

/** Run-time scalars of a kernel: sizes and strides (u32, in elements) and a few constants (f32), 16 at most. */
export type ParamType = 'u32' | 'f32';

/** Lower bounds on the cost of a call. */
export interface Cost {
  /** Floating-point operations; a fused multiply-add counts as two. */
  readonly flops: number;
  /** Elements read and written at least once; times the element size this is the least traffic in bytes. */
  readonly elements: number;
}

/** One call into the WebAssembly library: `fn(args, begin, end, scratch)` for disjoint ranges that cover 0..units. */
export interface WasmPass {
  /** Name of the exported function. */
  readonly fn: string;
  /**
   * Independent pieces of work. The split depends on the shape alone, never on the number of threads, so results have
   * the same bits on every machine.
   */
  readonly units: number;
  /** Scratch bytes that each thread needs of its own (16-byte aligned). */
  readonly threadScratch?: number;
}

/** How WebAssembly runs a kernel: calls into the library, one after another. */
export interface WasmProgram {
  readonly passes: readonly WasmPass[];
  /** Constants appended to the argument block after buffers and params, as i32. */
  readonly constants?: readonly number[];
  /** Scratch bytes shared by all passes (a packed operand, for one); its address is the last argument. */
  readonly sharedScratch?: number;
}

/** What a WGSL generator knows about its device. */
export interface WgslTarget<B extends string = string> {
  readonly dtypes: Readonly<Record<B, DType>>;
  readonly profile: WgslProfile;
  /** Facts of the adapter; without them, the least that WebGPU promises. */
  readonly machine?: WgslMachine;
}

/** One WGSL module and its workgroups. */
export interface WgslPass {
  /** Module-scope WGSL with one `@compute fn main`; wgsl.ts puts bindings, `params` and helpers in front of it. */
  readonly body: string;
  /** Workgroups along x, y, z. */
  workgroups(params: Readonly<Record<string, number>>): readonly [number, number, number];
  /** Names the pass among its kernel's passes, in the record of what was selected. */
  readonly variant?: string;
  /**
   * Elements of f32 scratch that the pass uses (`load_scratch`, `store_scratch`, ...). All passes of a launch share one
   * buffer; its content is unspecified before the first.
   */
  readonly scratch?: (params: Readonly<Record<string, number>>) => number;
  /** WGSL extensions to enable, as in `enable subgroups;`. */
  readonly enables?: readonly string[];
}

/** Draws test cases: fast-check in tests, a plain generator in benchmarks. */
export interface Draw {
  /** A whole number, both ends included. */
  integer(minimum: number, maximum: number): number;
  /** One of the choices. */
  pick<T>(choices: readonly T[]): T;
}

/** Values for a buffer of a test case. */
export type Fill =
  | { readonly kind: 'uniform'; readonly minimum: number; readonly maximum: number }
  | { readonly kind: 'values'; readonly values: ArrayLike<number> };

/** One call of a kernel, for tests: sizes, and values where they matter. */
export interface Example<B extends string, P extends string> {
  readonly params: Readonly<Record<P, number>>;
  /** Elements of every buffer. */
  readonly lengths: Readonly<Record<B, number>>;
  /** Buffers that need other values than uniform floats in the test's range. */
  readonly fills?: Partial<Record<B, Fill>>;
}

/** A kernel: what it computes, and how each backend does it. */
export interface Kernel<B extends string = string, P extends string = string> {
  readonly name: string;
  /** One sentence: what it computes, with shapes. */
  readonly summary: string;
  /** In binding order. */
  readonly buffers: Readonly<Record<B, BufferSpec>>;
  /** In the order of the argument block. */
  readonly params: Readonly<Record<P, ParamType>>;
  /** The definition. Outputs of access `write` arrive with unspecified content. */
  reference(buffers: Readonly<Record<B, NumberArray>>, params: Readonly<Record<P, number>>): void;
  /** Operations and least traffic of a call. */
  cost(params: Readonly<Record<P, number>>): Cost;
  /** How the WebAssembly library runs a call of these sizes. */
  wasm(params: Readonly<Record<P, number>>): WasmProgram;
  /** How WGSL runs it on the target; later passes see what earlier ones wrote. */
  wgsl(target: WgslTarget<NoInfer<B>>): readonly WgslPass[];
  /** A small valid call, for property tests. */
  example(draw: Draw): Example<B, P>;
  /**
   * Largest error of an f32 run, relative to the largest magnitude in the same output buffer. f16 outputs are allowed
   * their rounding (2^-10) on top.
   */
  readonly tolerance: number;
}

/** Infers the names of buffers and params. @throws Error for more than 16 params */
export function defineKernel<const B extends string, const P extends string>(kernel: Kernel<B, P>): Kernel<B, P> {
  const count = Object.keys(kernel.params).length;
  if (count > 16)
    throw new Error(`kernel ${kernel.name} has ${count} params; 16 fit into the 64 bytes of WGSL immediates`);
  return kernel;
}

const buffersOf = (access: Access) =>
  ({
    float: { access, kind: 'float' },
    wide: { access, kind: 'wide' },
    index: { access, kind: 'index' },
  }) as const satisfies Readonly<Record<Kind, BufferSpec>>;

/** Buffers that are read, by kind, as in `x: reads.float`. */
export const reads = buffersOf('read');
/** Buffers that are written, by kind. */
export const writes = buffersOf('write');
/** Buffers that are updated in place, by kind. */
export const updates = buffersOf('update');

/** Fills a buffer of a test case with random values. */
export const uniform = (minimum: number, maximum: number): Fill => ({ kind: 'uniform', minimum, maximum });
/** Fills a buffer of a test case with these values, from the start again if they are too few. */
export const given = (values: ArrayLike<number>): Fill => ({ kind: 'values', values });
/** Fills a buffer of a test case with a value for every position. */
export const givenEach = (length: number, value: (i: number) => number): Fill =>
  given(Array.from({ length }, (_, i) => value(i)));

/** Params that are sizes or strides. */
export function sizes<const Name extends string>(...names: readonly Name[]): Readonly<Record<Name, 'u32'>> {
  return Object.fromEntries(names.map(name => [name, 'u32'])) as Record<Name, 'u32'>;
}

/** Ceiling of `a / b` for positive integers. */
export function ceilDivide(a: number, b: number): number {
  return Math.floor((a + b - 1) / b);
}
