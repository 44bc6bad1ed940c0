/**
 * The script of a worker thread of the wasm backend: waits for jobs, takes its share, and sleeps when none has come
 * for a while.
 */
import { inKernelThread } from '../../platform.js';
import { kernelFunctions, runPieces, words } from './control.js';

/** What the backend hands to each worker. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Byte offset of the control block. */
  readonly control: number;
  /** Number of this thread, from 1; the main thread is 0. */
  readonly thread: number;
  /**
   * How long to look for the next job before sleeping: within a training step they follow each other in microseconds.
   */
  readonly spinMilliseconds: number;
}

/** Returns the number of the next job, which differs from `seen`. */
function nextGeneration(control: Int32Array, seen: number, spinMilliseconds: number): number {
  const start = performance.now();
  do {
    for (let i = 0; i < 200; i++) {
      const generation = Atomics.load(control, words.generation);
      if (generation !== seen) return generation;
    }
  } while (performance.now() - start < spinMilliseconds);
  Atomics.add(control, words.sleepers, 1);
  let generation = seen;
  // The timeout only guards against a lost wake-up; the loop goes back to sleep.
  while (generation === seen) {
    Atomics.wait(control, words.generation, seen, 1000);
    generation = Atomics.load(control, words.generation);
  }
  Atomics.sub(control, words.sleepers, 1);
  return generation;
}

inKernelThread(({ module, memory, control: offset, thread, spinMilliseconds }: WorkerStart, ready) => {
  const { functions } = kernelFunctions(new WebAssembly.Instance(module, { env: { memory } }));
  const control = new Int32Array(memory.buffer, offset, 128);
  let generation = Atomics.load(control, words.generation);
  ready();
  for (;;) {
    generation = nextGeneration(control, generation, spinMilliseconds);
    if (Atomics.load(control, words.stop) !== 0) break;
    try {
      runPieces(control, functions, generation, thread);
    } catch {
      // A trap: the main thread reports it, with the kernel's name.
      Atomics.store(control, words.trapped, thread + 1);
    }
  }
});
