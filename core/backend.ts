/**
 * The contract between tensors and machines: buffers, kernel launches, transfers. Three backends keep it:
 * `cpu` runs the references, `wasm` a SIMD library on threads, `webgpu` WGSL on Dawn.
 */
import type { DType, Kernel } from '../kernels/index.js';

export type BackendName = 'cpu' | 'wasm' | 'webgpu';

/** What a device offers, found out when it is opened. The first line of a log prints it, and all choices rest on it. */
export interface Capabilities {
  readonly backend: BackendName;
  /** Name of the adapter or processor. */
  readonly name: string;
  /** Driver and version, or the runtime. */
  readonly driver: string;
  /** True if kernels run far below the processor's speed: the cpu reference, and a "GPU" emulated on the processor. */
  readonly software: boolean;
  /**
   * True if `launch` returns before the work is done, so that a read costs a round trip to a device that may be lost.
   */
  readonly asynchronous: boolean;
  /** True if it is faster to repeat recorded launches than to launch anew. */
  readonly replays: boolean;
  /** Element types that tensors may have. */
  readonly dtypes: readonly DType[];
  /** Largest buffer in bytes. */
  readonly maxBufferBytes: number;
  /** Threads that share the work of a kernel. */
  readonly threads: number;
  /**
   * Further facts by name, for people (`mgsd-lite info`) and for choosing kernels: subgroup size, matrix
   * configurations, toggles that took effect, SIMD level.
   */
  readonly features: Readonly<Record<string, string | number | boolean>>;
}

/** A piece of device memory. Backends keep their own fields behind it. */
export interface Allocation {
  /** Usable bytes, a multiple of 16. */
  readonly bytes: number;
}

/** A buffer as a kernel sees it. */
export interface Operand {
  readonly allocation: Allocation;
  readonly dtype: DType;
  /** Start within the allocation, a multiple of 256 (what WebGPU asks of a binding). */
  readonly byteOffset: number;
  /** Elements that may be touched. */
  readonly length: number;
}

/** A kernel and what it runs on. */
export interface Launch {
  readonly kernel: Kernel;
  /** In the order of `kernel.buffers`. */
  readonly operands: readonly Operand[];
  /** In the order of `kernel.params`. */
  readonly params: readonly number[];
}

/** Launches that were prepared to be repeated. */
export interface Replay {
  /** Does all of them, in order, with what the operands hold now. Allocates nothing. */
  run(): void;
  /** Frees what `prepare` has taken, but not the operands. */
  dispose(): void;
}

/** Told how long a launch took on the device. */
export type LaunchTimer = (kernel: Kernel, params: readonly number[], seconds: number) => void;

/** As much of a launch as compiling it takes. */
export interface LaunchShape {
  readonly kernel: Kernel;
  readonly operands: readonly Pick<Operand, 'dtype'>[];
  readonly params: readonly number[];
}

export interface Backend {
  readonly capabilities: Capabilities;
  /** At least `bytes` of memory with unspecified content. Throws with sizes and a remedy when there is no more. */
  allocate(bytes: number): Allocation;
  /** True if `bytes` more could be allocated now, in buffers of any size. Takes nothing. */
  hasMemory(bytes: number): Promise<boolean>;
  /** Gives memory back; launches that use it may still be under way. */
  free(allocation: Allocation): void;
  /** Copies host bytes in; ordered with launches. The source may be changed as soon as the call returns. */
  write(allocation: Allocation, byteOffset: number, data: ArrayBufferView): void;
  /** Copies bytes out after everything launched before; the copy is the caller's. */
  read(allocation: Allocation, byteOffset: number, bytes: number): Promise<ArrayBuffer>;
  /**
   * Runs `kernel` on operands in the order of `kernel.buffers` and params in the order of `kernel.params`. Launches
   * take effect in order; an asynchronous device returns before the work is done.
   */
  launch(kernel: Kernel, operands: readonly Operand[], params: readonly number[]): void;
  /** Compiles what these launches will run, side by side. Backends that compile nothing leave it out. */
  compile?(launches: Iterable<LaunchShape>): Promise<void>;
  /**
   * Prepares launches whose operands stay where they are until `dispose`. Backends that gain nothing by it leave it
   * out: their launches are repeated one by one.
   */
  prepare?(launches: readonly Launch[]): Replay;
  /**
   * Times launches by the device's own clock until it is called with undefined. Times arrive after their launches, at
   * the latest with `finish`. Returns false if the device has no such clock. Synchronous backends leave it out: the
   * caller can time their launches.
   */
  timeLaunches?(timer: LaunchTimer | undefined): boolean;
  /** Resolves when everything launched so far is done; rejects with the first error since the last call. */
  finish(): Promise<void>;
  /** Ends threads and devices. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/** Params as the object that kernel functions take. */
export function namedParams(kernel: Kernel, params: readonly number[]): Record<string, number> {
  const named: Record<string, number> = {};
  let i = 0;
  for (const name in kernel.params) named[name] = params[i++]!;
  return named;
}
