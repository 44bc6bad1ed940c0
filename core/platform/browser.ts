/**
 * A browser's side of the seam. The engine runs in a Web Worker there: it waits for its threads, which a page's own
 * thread may not do.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { WebGpuUnavailableError } from '../faults.js';
import type { Platform } from '../platform.js';

/** What of the global scope of a page or a worker is asked for; each browser lacks some of it. */
interface Scope {
  readonly navigator?: { userAgent: string; hardwareConcurrency: number; deviceMemory?: number; gpu?: GPU };
  readonly crossOriginIsolated?: boolean;
  readonly GPUBufferUsage?: typeof GPUBufferUsage;
}

// TypeScript declares these with all of a browser's library only, which would put `name` and the like within reach of
// every file.
declare const Worker: new (
  script: URL,
  options: { readonly type: 'module' },
) => {
  onmessage: () => void;
  onerror: (event: { readonly message: string }) => void;
  postMessage(message: unknown): void;
  terminate(): void;
};
declare function postMessage(message: unknown): void;

/** Where bundlers find the files, and put them. */
const kernelFiles = {
  plain: new URL('../../kernels/kernels.wasm', import.meta.url),
  relaxed: new URL('../../kernels/kernels-relaxed.wasm', import.meta.url),
};

export function browserPlatform(): Platform {
  const { navigator, crossOriginIsolated, GPUBufferUsage: usage } = globalThis as Scope;
  return {
    runtime: navigator?.userAgent ?? 'unknown runtime',
    processorName: 'processor',
    // memory is shared with other threads only where the page is isolated from other origins (COOP and COEP)
    processors: crossOriginIsolated ? (navigator?.hardwareConcurrency ?? 1) : 1,
    machineMemory: () => (navigator?.deviceMemory ?? Infinity) * 2 ** 30,
    nextTurn: turns(),
    // a browser's own hash is asynchronous, and nothing may move while a checkpoint is written
    sha256(parts) {
      const hash = sha256.create();
      for (const part of parts) hash.update(part);
      return bytesToHex(hash.digest());
    },
    async compileKernels(simd) {
      const response = await fetch(kernelFiles[simd]);
      if (!response.ok)
        throw new Error(`the WebAssembly kernels are missing (${response.url}: ${response.status}): deploy them too`);
      return await WebAssembly.compile(await response.arrayBuffer());
    },
    enableRelaxedSimd: () => undefined,
    startKernelThread(start, ended) {
      const worker = new Worker(new URL('../backends/wasm/worker.js', import.meta.url), { type: 'module' });
      const ready = new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = ({ message }) => {
          ended(message || 'its script does not load');
          reject(new Error(message || 'its script does not load'));
        };
      });
      worker.postMessage(start);
      // eslint-disable-next-line @typescript-eslint/require-await -- it ends at once here
      return { ready, terminate: async () => worker.terminate() };
    },
    inKernelThread(run) {
      const start = ({ data }: { data: never }) => run(data, () => postMessage('ready'));
      Object.assign(globalThis, { onmessage: start });
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
    async gpuSource() {
      const gpu = navigator?.gpu;
      if (!gpu || !usage)
        throw unavailable('no WebGPU (or the page is neither on https nor on localhost): take another browser');
      if (!gpu.wgslLanguageFeatures.has('immediate_address_space'))
        throw unavailable('a WebGPU without immediates, by which kernels get their sizes: take a newer one');
      const noAdapter = (cause?: unknown) =>
        unavailable('WebGPU, but no adapter for it: chrome://gpu or about:support tell of the graphics driver', cause);
      return { gpu, usage, toggles: [], polls: false, noAdapter };
    },
    probeGpu: () => Promise.resolve(undefined),
  };
}

function unavailable(what: string, cause?: unknown): Error {
  return new WebGpuUnavailableError(`This browser has ${what}, or the \`wasm\` backend.`, { cause });
}

/** A turn by a message to itself: timers are delayed by four milliseconds after a few in a row. */
function turns(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  Object.assign(port1, { onmessage: () => waiting.shift()?.() });
  return () =>
    new Promise(resolve => {
      waiting.push(resolve);
      port2.postMessage(undefined);
    });
}
