/** From a kernel and its params to calls of the WebAssembly library, cut into pieces for the threads. Made once for every shape. */
import type { Kernel, WasmProgram } from '../../../kernels/index.js';
import { namedParams } from '../../backend.js';
import type { Job } from './threads.js';

/** A kernel with certain params, ready to run. */
export interface Call {
  readonly params: readonly number[];
  readonly jobs: readonly Job[];
  readonly constants: readonly number[];
  readonly sharedScratch: number;
}

/** What is known about a kernel, however it is called. */
export interface Prepared {
  readonly buffers: number;
  /** True where a param is f32. */
  readonly floats: readonly boolean[];
  /** The latest calls, most recent first: a training step launches the same shapes again and again. */
  readonly calls: Call[];
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
  readonly #prepared = new Map<Kernel, Prepared>();

  /**
   * @param functions of the library, and their numbers
   * @param shareFrom microseconds from which on a kernel is shared between threads
   */
  constructor(functions: ReadonlyMap<string, number>, threads: number, shareFrom: number) {
    this.#functions = functions;
    this.#threads = threads;
    this.#shareFrom = shareFrom;
  }

  prepare(kernel: Kernel): Prepared {
    let prepared = this.#prepared.get(kernel);
    if (!prepared) {
      const floats = Object.values(kernel.params).map(type => type === 'f32');
      prepared = { buffers: Object.keys(kernel.buffers).length, floats, calls: [] };
      this.#prepared.set(kernel, prepared);
    }
    return prepared;
  }

  /** @param prepared of this kernel */
  find(kernel: Kernel, { calls }: Prepared, params: readonly number[]): Call {
    search: for (let p = 0; p < calls.length; p++) {
      const call = calls[p]!;
      for (let i = 0; i < params.length; i++) if (call.params[i] !== params[i]) continue search;
      return call;
    }
    const named = namedParams(kernel, params);
    const { flops, elements } = kernel.cost(named);
    const call = this.#make(
      params,
      kernel.wasm(named),
      flops / flopsPerMicrosecond + elements / elementsPerMicrosecond,
    );
    if (calls.length >= callsKept) calls.pop();
    calls.unshift(call);
    return call;
  }

  /** Splits passes into pieces for the threads; `microseconds` is what one thread would take for all of them. */
  #make(params: readonly number[], program: WasmProgram, microseconds: number): Call {
    const jobs = program.passes.map(({ fn, units, threadScratch = 0 }): Job => {
      const index = this.#functions.get(fn);
      if (index === undefined)
        throw new Error(`the WebAssembly library has no function ${fn}: build it again with \`npm run build\``);
      // Small launches cost more to hand around than they save. What is decided here never changes a result.
      const worthwhile = microseconds < this.#shareFrom ? 1 : Math.max(2, Math.ceil(microseconds / pieceMicroseconds));
      const pieces = Math.min(units, worthwhile, 16 * this.#threads);
      return { fn: index, units, pieces, threadScratch: Math.ceil(threadScratch / 64) * 64 };
    });
    return { params: [...params], jobs, constants: program.constants ?? [], sharedScratch: program.sharedScratch ?? 0 };
  }
}
