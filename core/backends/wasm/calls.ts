/**
 * From a kernel and its params to calls of the WebAssembly library, cut into pieces for the threads. Made once for
 * every shape.
 */
import type { Kernel, WasmPass } from '../../../kernels/index.js';
import { namedParams } from '../../backend.js';
import type { Job } from './threads.js';

/** A kernel with certain params, ready to run. */
export interface Call {
  readonly params: readonly number[];
  /** Params and constants as 32-bit words: they follow the addresses of the buffers. */
  readonly words: Int32Array;
  readonly jobs: readonly Job[];
  readonly sharedScratch: number;
}

/** Speeds of one thread, roughly; they only decide whether a kernel is worth sharing, and into how many pieces. */
const flopsPerMicrosecond = 20_000;
const elementsPerMicrosecond = 1_500;
const pieceMicroseconds = 4;
const callsKept = 16;

export class Calls {
  readonly #functions: ReadonlyMap<string, number>;
  readonly #threads: number;
  readonly #shareFrom: number;
  /** The latest calls, most recent first: a training step launches the same shapes again and again. */
  readonly #known = new Map<Kernel, Call[]>();

  /**
   * @param functions of the library, and their numbers
   * @param shareFrom microseconds from which on a kernel is shared between threads
   */
  constructor(functions: ReadonlyMap<string, number>, threads: number, shareFrom: number) {
    this.#functions = functions;
    this.#threads = threads;
    this.#shareFrom = shareFrom;
  }

  find(kernel: Kernel, params: readonly number[]): Call {
    let calls = this.#known.get(kernel);
    if (!calls) this.#known.set(kernel, (calls = []));
    search: for (let c = 0; c < calls.length; c++) {
      const call = calls[c]!;
      for (let i = 0; i < params.length; i++) if (call.params[i] !== params[i]) continue search;
      return call;
    }
    const named = namedParams(kernel, params);
    const { flops, elements } = kernel.cost(named);
    const microseconds = flops / flopsPerMicrosecond + elements / elementsPerMicrosecond;
    const { passes, constants = [], sharedScratch = 0 } = kernel.wasm(named);
    const words = Int32Array.from([...params, ...constants]);
    const floats = new Float32Array(words.buffer);
    Object.values(kernel.params).forEach((type, i) => {
      if (type === 'f32') floats[i] = params[i]!;
    });
    const jobs = passes.map(pass => this.#job(pass, microseconds));
    const call = { params: [...params], words, jobs, sharedScratch };
    if (calls.length >= callsKept) calls.pop();
    calls.unshift(call);
    return call;
  }

  /** Splits a pass into pieces for the threads. @param microseconds that one thread would take for the whole kernel */
  #job({ fn, units, threadScratch = 0 }: WasmPass, microseconds: number): Job {
    const index = this.#functions.get(fn);
    if (index === undefined)
      throw new Error(`the WebAssembly library has no function ${fn}: build it again with \`npm run build\``);
    // Small launches cost more to hand around than they save. What is decided here never changes a result.
    const worthwhile = microseconds < this.#shareFrom ? 1 : Math.max(2, Math.ceil(microseconds / pieceMicroseconds));
    const pieces = Math.min(units, worthwhile, 16 * this.#threads);
    return { fn: index, units, pieces, threadScratch: Math.ceil(threadScratch / 64) * 64 };
  }
}
