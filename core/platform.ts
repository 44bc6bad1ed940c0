/**
 * The seam between the engine and what runs it: what it asks of the machine and the runtime, answered by Node or by a
 * browser. No other file of the engine knows which of the two it runs in.
 */
import { browserPlatform } from './platform/browser.js';
import { nodePlatform } from './platform/node.js';

/** A worker thread of the wasm backend, from outside. */
export interface KernelThread {
  /** Resolves when it runs; rejects with the reason if it does not start. */
  readonly ready: Promise<void>;
  /** Ends it, wherever it is. */
  terminate(): Promise<unknown>;
}

/** Which GPU is asked for; see backends/webgpu/options.ts. */
export interface GpuRequest {
  readonly adapter?: string;
  readonly mode: 'production' | 'debug';
  readonly backend?: string;
}

/** The flags of `GPUBufferUsage` that the engine sets; not every compiler's own libraries have that name. */
export type BufferUsage = Readonly<Record<'MAP_READ' | 'COPY_SRC' | 'COPY_DST' | 'STORAGE' | 'QUERY_RESOLVE', number>>;

/** Where adapters come from. */
export interface GpuSource {
  /** @internal Left out of declarations: not every compiler's own libraries have the type. */
  readonly gpu: GPU;
  readonly usage: BufferUsage;
  /** Dawn's toggles that were asked for; browsers have none. */
  readonly toggles: readonly string[];
  /** True if waiting for the device keeps a core busy; see backends/webgpu/wait.ts. */
  readonly polls: boolean;
  /** The error for a missing adapter, with what can be done. */
  readonly noAdapter: (cause?: unknown) => Error;
}

/** What Node and browsers answer. */
export interface Platform {
  /** Name and version of what runs this code, for log lines. */
  readonly runtime: string;
  /** Name of the processor; a browser does not tell. */
  readonly processorName: string;
  /** Threads that can run at the same time; 1 where they cannot share memory. */
  readonly processors: number;
  /** Bytes of memory that this process may use: the machine's, or what a container leaves it; Infinity if unknown. */
  readonly machineMemory: () => number;
  /** Resolves in a later turn of the event loop: signals, timers and messages come first. */
  readonly nextTurn: () => Promise<void>;
  /** SHA-256 of these bytes one after another, in hexadecimal. */
  readonly sha256: (parts: Iterable<Uint8Array>) => string;
  /** Compiles the WebAssembly kernel library. @throws Error that says where it was looked for */
  readonly compileKernels: (simd: 'relaxed' | 'plain') => Promise<WebAssembly.Module>;
  /** Switches relaxed SIMD on where that can be done while running. */
  readonly enableRelaxedSimd: () => void;
  /**
   * Starts backends/wasm/worker.js, which gets `start` by `inKernelThread`. It does not keep the process alive.
   * @param ended told why it did not start, or is gone; browsers do not tell of the latter
   */
  readonly startKernelThread: (start: unknown, ended: (reason: string) => void) => KernelThread;
  /** Within a worker thread: calls `run` with what it was started with. `run` calls `ready` once. */
  readonly inKernelThread: (run: (start: never, ready: () => void) => void) => void;
  /** Where WebGPU comes from. @throws WebGpuUnavailableError with remedies */
  readonly gpuSource: (request: GpuRequest) => Promise<GpuSource>;
  /**
   * What backends/webgpu/probe-main.js prints, in a process of its own; undefined where there are no processes.
   */
  readonly probeGpu: () => Promise<string | undefined>;
}

const node = (globalThis as { readonly process?: NodeJS.Process }).process;

export const {
  runtime,
  processorName,
  processors,
  machineMemory,
  /** Resolves in a later turn of the event loop: signals, timers and messages come first. */
  nextTurn,
  /** SHA-256 of bytes one after another, in hexadecimal. */
  sha256,
  compileKernels,
  enableRelaxedSimd,
  startKernelThread,
  inKernelThread,
  gpuSource,
  probeGpu,
}: Platform = node?.versions.node ? nodePlatform(node) : browserPlatform();
