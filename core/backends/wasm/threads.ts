/** The threads of the wasm backend, seen from the main thread, which is one of them. */
import { DeviceError } from '../../faults.js';
import { startKernelThread } from '../../platform.js';
import type { KernelThread } from '../../platform.js';
import { kernelFunctions, maximumPieces, runPieces, ticketOf, words } from './control.js';
import type { KernelFunction } from './control.js';
import type { WorkerStart } from './worker.js';

/** One pass of a kernel, ready to run. */
export interface Job {
  /** Index of the exported function. */
  readonly fn: number;
  readonly units: number;
  /** Pieces to split the units into; 1 keeps the job on the main thread. */
  readonly pieces: number;
  /** Bytes of scratch memory that each thread needs. */
  readonly threadScratch: number;
}

export interface ThreadOptions {
  /** Threads in all, the calling one included. */
  readonly threads: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Byte offset of the control block in the memory. */
  readonly control: number;
  /** How long a worker looks for the next job before it sleeps. */
  readonly spinMilliseconds: number;
  /** How long no piece may finish before a thread counts as dead. */
  readonly stallMilliseconds: number;
}

/** How often the main thread looks for the end of a job before it sleeps: some tens of microseconds. */
const spins = 20_000;

export class Threads {
  /** Names of the exported functions: the index of a name is what a job calls `fn`. */
  readonly names: readonly string[];
  /** Worker threads, without the main one. */
  readonly workers: readonly KernelThread[];
  readonly #functions: readonly KernelFunction[];
  readonly #control: Int32Array;
  readonly #stallMilliseconds: number;
  #generation = 0;
  #failure: string | undefined;
  #closing = false;

  private constructor(options: ThreadOptions) {
    const { module, memory, control, spinMilliseconds } = options;
    const { names, functions } = kernelFunctions(new WebAssembly.Instance(module, { env: { memory } }));
    this.names = names;
    this.#functions = functions;
    this.#control = new Int32Array(memory.buffer, control, 128);
    this.#stallMilliseconds = options.stallMilliseconds;
    this.workers = Array.from({ length: options.threads - 1 }, (_, i) => {
      const start: WorkerStart = { module, memory, control, thread: i + 1, spinMilliseconds };
      return startKernelThread(start, reason => {
        if (!this.#closing) this.#failure ??= reason;
      });
    });
  }

  /** Starts the workers and waits until they are ready. */
  static async start(options: ThreadOptions): Promise<Threads> {
    const threads = new Threads(options);
    try {
      await Promise.all(threads.workers.map(worker => worker.ready));
    } catch (cause) {
      await threads.close();
      throw new Error(`a worker thread of the wasm backend did not start: ${(cause as Error).message}`, { cause });
    }
    return threads;
  }

  /**
   * Runs a job to its end on all threads. `scratch` is the memory of thread 0, the next thread's lies
   * job.threadScratch behind.
   */
  run(job: Job, args: number, scratch: number): void {
    if (this.#failure !== undefined) throw this.#died(this.#failure);
    const pieces = Math.min(job.pieces, maximumPieces);
    if (pieces <= 1 || this.workers.length === 0) {
      this.#functions[job.fn]!(args, 0, job.units, scratch);
      return;
    }
    const control = this.#control;
    const generation = (this.#generation + 1) | 0;
    this.#generation = generation;
    Atomics.store(control, words.ticket, ticketOf(generation, maximumPieces + 1)); // closed while the job is written
    control[words.fn] = job.fn;
    control[words.args] = args;
    control[words.units] = job.units;
    control[words.unitsPerPiece] = Math.ceil(job.units / pieces);
    control[words.pieces] = Math.ceil(job.units / Math.ceil(job.units / pieces));
    control[words.scratch] = scratch;
    control[words.scratchStride] = job.threadScratch;
    control[words.trapped] = 0;
    Atomics.store(control, words.completed, 0);
    Atomics.store(control, words.ticket, ticketOf(generation, 0));
    Atomics.store(control, words.generation, generation);
    if (Atomics.load(control, words.sleepers) > 0) Atomics.notify(control, words.generation);
    let failure: unknown;
    for (;;) {
      try {
        runPieces(control, this.#functions, generation, 0);
        break;
      } catch (error) {
        failure ??= error; // keep going: no other thread may claim the rest, and the job must end
      }
    }
    this.#wait(control[words.pieces]!);
    if (failure !== undefined) throw failure as Error;
    const trapped = Atomics.exchange(control, words.trapped, 0);
    if (trapped !== 0)
      throw new WebAssembly.RuntimeError(`memory access out of bounds or other trap in worker ${trapped - 1}`);
  }

  /** Waits for pieces that other threads have claimed: spinning first, then asleep, so that they can have this core. */
  #wait(pieces: number): void {
    const control = this.#control;
    for (let i = 0; i < spins; i++) if (Atomics.load(control, words.completed) >= pieces) return;
    Atomics.store(control, words.mainSleeps, 1);
    let completed = Atomics.load(control, words.completed);
    let since = performance.now();
    while (completed < pieces) {
      Atomics.wait(control, words.completed, completed, 20); // a worker that is done wakes us; a dead one does not
      const now = Atomics.load(control, words.completed);
      if (now !== completed) since = performance.now();
      else if (performance.now() - since > this.#stallMilliseconds) {
        this.#failure = `it has not finished its piece of work within ${this.#stallMilliseconds} ms`;
        throw this.#died(this.#failure);
      }
      completed = now;
    }
    Atomics.store(control, words.mainSleeps, 0);
  }

  #died(reason: string): Error {
    return new DeviceError(
      'thread',
      `a worker thread of the wasm backend is gone (${reason}), so results since then are not to be trusted: ` +
        'open the backend again, with threads: 1 if this happens repeatedly.',
    );
  }

  /** Throws if a worker has ended since the last call. */
  check(): void {
    if (this.#failure !== undefined) throw this.#died(this.#failure);
  }

  async close(): Promise<void> {
    this.#closing = true;
    Atomics.store(this.#control, words.stop, 1);
    Atomics.add(this.#control, words.generation, 1);
    Atomics.notify(this.#control, words.generation);
    await Promise.all(this.workers.map(worker => worker.terminate()));
  }
}
