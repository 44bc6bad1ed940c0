/**
 * The wasm backend: the kernels' WebAssembly library over one shared memory, on all processors. A launch runs to its
 * end before it returns, so reads find their data at once; the main thread works too. The default where there is no
 * GPU.
 */
import { bytesPerElement } from '../../../kernels/index.js';
import type { Kernel } from '../../../kernels/index.js';
import { namedParams } from '../../backend.js';
import type { Allocation, Backend, Capabilities, Launch, Operand, Replay } from '../../backend.js';
import { DeviceError } from '../../faults.js';
import { machineMemory, nextTurn, processorName, processors, runtime } from '../../platform.js';
import type { KernelThread } from '../../platform.js';
import { controlBytes } from './control.js';
import { Heap } from './heap.js';
import { loadLibrary } from './library.js';
import type { SimdLevel } from './library.js';
import { makeMemory, pageBytes } from './memory.js';
import { Calls } from './calls.js';
import type { Call } from './calls.js';
import { wasmReplay } from './replay.js';
import { Threads } from './threads.js';

export interface WasmOptions {
  /**
   * Threads that share a kernel's work, the calling one included; all processors by default. With 1, no worker is
   * started.
   */
  readonly threads?: number;
  /** `plain` to do without fused multiply-add; the best the runtime has by default. */
  readonly simd?: SimdLevel;
  /**
   * Upper bound of the memory in bytes; by default 4 GiB, all that WebAssembly can address, or what can be reserved.
   */
  readonly maxBytes?: number;
  /** A kernel is shared between threads if one thread would need longer than this, by estimate; 6 by default. */
  readonly shareFromMicroseconds?: number;
  /** How long a thread may work on one piece of a kernel before it counts as dead. */
  readonly stallMilliseconds?: number;
}

interface WasmAllocation extends Allocation {
  /** 0 once it was freed. */
  address: number;
}

// The memory begins with these, then the heap. Address 0 stays unused, so that a pointer of 0 can mean "none".
const controlAddress = 1024;
const argsAddress = controlAddress + controlBytes;
const heapAddress = 4096;
/** Kernels may load (never store) past the end of an operand by less than this, and it must be memory. */
const endMargin = 256;

/** Elements per unit of work of the f16 conversions in kernels/wasm/convert.as.ts. */
const convertedPerUnit = 4096;

export class WasmBackend implements Backend {
  readonly capabilities: Capabilities;
  readonly #memory: WebAssembly.Memory;
  readonly #threads: Threads;
  readonly #functions: ReadonlyMap<string, number>;
  readonly #heap: Heap;
  readonly #maxBytes: number;
  readonly #calls: Calls;
  #bytes!: Uint8Array<SharedArrayBuffer>;
  #integers!: Int32Array;
  readonly #sharedScratch = { address: 0, bytes: 0 };
  readonly #threadScratch = { address: 0, bytes: 0 };

  private constructor(
    { memory, maxBytes }: ReturnType<typeof makeMemory>,
    threads: Threads,
    shareFrom: number,
    simd: SimdLevel,
    note: string | undefined,
  ) {
    this.#memory = memory;
    this.#maxBytes = maxBytes;
    this.#threads = threads;
    this.#functions = new Map(threads.names.map((name, i) => [name, i]));
    this.#renewViews();
    this.#heap = new Heap(heapAddress, this.#bytes.length - endMargin, bytes => this.#grow(bytes));
    const count = threads.workers.length + 1;
    this.#calls = new Calls(this.#functions, count, shareFrom);
    this.capabilities = {
      backend: 'wasm',
      name: processorName,
      driver: `${runtime}, WebAssembly SIMD`,
      software: false,
      asynchronous: false,
      replays: true,
      dtypes: ['f32', 'f16', 'i32'],
      maxBufferBytes: maxBytes - heapAddress - endMargin,
      threads: count,
      features: {
        ...{ simd, threads: count, processors },
        ...(note !== undefined && { oneThreadBecause: note }),
      },
    };
  }

  /** See openWasmBackend. */
  static async open(options: WasmOptions = {}): Promise<WasmBackend> {
    const { module, simd } = await loadLibrary(options.simd);
    const memory = makeMemory(options.maxBytes);
    const start = (threads: number) =>
      Threads.start({
        ...{ threads, module, memory: memory.memory, control: controlAddress },
        ...{ spinMilliseconds: 0.5, stallMilliseconds: options.stallMilliseconds ?? 30_000 },
      });
    let threads: Threads;
    let note: string | undefined;
    if (options.threads !== undefined) threads = await start(Math.max(1, options.threads));
    else
      try {
        threads = await start(processors);
      } catch (error) {
        // no worker threads here (Node's permission model, for one): slower, but it works
        note = error instanceof Error ? error.message : String(error);
        threads = await start(1);
      }
    return new WasmBackend(memory, threads, options.shareFromMicroseconds ?? 6, simd, note);
  }

  /** Worker threads, for tests. */
  get workers(): readonly KernelThread[] {
    return this.#threads.workers;
  }

  /** Bytes allocated by tensors, and bytes of the memory as a whole. */
  get memory(): { readonly used: number; readonly total: number } {
    return {
      used: this.#heap.usedBytes - this.#threadScratch.bytes - this.#sharedScratch.bytes,
      total: this.#bytes.length,
    };
  }

  allocate(bytes: number): WasmAllocation {
    const address = this.#heap.allocate(bytes);
    return { bytes: this.#heap.sizeOf(address), address };
  }

  /** The memory may be in pieces by now, so this is no promise. */
  hasMemory(bytes: number): Promise<boolean> {
    return Promise.resolve(bytes <= Math.min(this.#maxBytes, machineMemory()) - this.#heap.usedBytes);
  }

  free(allocation: Allocation): void {
    const piece = allocation as WasmAllocation;
    if (piece.address === 0) throw new Error('this allocation has been freed already');
    this.#heap.free(piece.address);
    piece.address = 0;
  }

  write(allocation: Allocation, byteOffset: number, data: ArrayBufferView): void {
    const address = this.#addressOf(allocation, byteOffset, data.byteLength);
    this.#bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
  }

  read(allocation: Allocation, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    const address = this.#addressOf(allocation, byteOffset, bytes);
    const copy = new Uint8Array(bytes);
    copy.set(this.#bytes.subarray(address, address + bytes));
    return Promise.resolve(copy.buffer);
  }

  launch(kernel: Kernel, operands: readonly Operand[], params: readonly number[]): void {
    if (operands.some(({ dtype }) => dtype === 'f16')) this.#launchHalf(kernel, operands, params);
    else this.#run(kernel, this.#addresses(operands), params);
  }

  async finish(): Promise<void> {
    this.#threads.check();
    await nextTurn(); // launches are synchronous, but signals, progress and messages need their turn
    this.#threads.check();
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  /** See replay.ts. Launches with f16 operands are repeated one by one: their conversions need memory of their own. */
  prepare(launches: readonly Launch[]): Replay {
    if (launches.some(({ operands }) => operands.some(({ dtype }) => dtype === 'f16'))) {
      const run = () => {
        for (const { kernel, operands, params } of launches) this.launch(kernel, operands, params);
      };
      return { run, dispose: () => undefined };
    }
    return wasmReplay(launches, {
      heap: this.#heap,
      threads: this.#threads,
      sharedScratch: this.#sharedScratch,
      threadScratch: this.#threadScratch,
      words: () => new Int32Array(this.#memory.buffer),
      prepare: ({ kernel, operands, params }) => {
        const call = this.#calls.find(kernel, params);
        this.#reserveScratch(call);
        return { jobs: call.jobs, words: Int32Array.from([...this.#addresses(operands), ...call.words]) };
      },
      explain: (error, { kernel, params }) => this.#explained(error, kernel, params),
    });
  }

  #run(kernel: Kernel, addresses: readonly number[], params: readonly number[]): void {
    const call = this.#calls.find(kernel, params);
    this.#reserveScratch(call); // first: it may make the memory grow, which renews the views
    const block = argsAddress >> 2;
    this.#integers.set(addresses, block);
    this.#integers.set(call.words, block + addresses.length);
    this.#integers[block + addresses.length + call.words.length] = this.#sharedScratch.address;
    try {
      for (const job of call.jobs) this.#threads.run(job, argsAddress, this.#threadScratch.address);
    } catch (error) {
      throw this.#explained(error, kernel, params);
    }
  }

  #reserveScratch({ jobs, sharedScratch }: Call): void {
    this.#growScratch(this.#sharedScratch, sharedScratch);
    for (const { threadScratch, pieces } of jobs)
      this.#growScratch(this.#threadScratch, threadScratch * (pieces > 1 ? this.capabilities.threads : 1));
  }

  /** A trap says where it happened. */
  #explained(error: unknown, kernel: Kernel, params: readonly number[]): unknown {
    if (!(error instanceof WebAssembly.RuntimeError)) return error;
    const message = `${kernel.name}(${JSON.stringify(namedParams(kernel, params))}): ${error.message}: do the operands fit the params?`;
    return new Error(message, { cause: error });
  }

  /** Makes a scratch area at least as large as asked for; its content may be lost. */
  #growScratch(area: { address: number; bytes: number }, bytes: number): void {
    if (area.bytes >= bytes) return;
    if (area.address !== 0) this.#heap.free(area.address);
    area.address = area.bytes = 0;
    area.address = this.#heap.allocate(bytes + endMargin);
    area.bytes = this.#heap.sizeOf(area.address);
  }

  /**
   * f16 operands are decoded to f32 in front of the kernel, and what it writes is encoded again: slower than f32, but
   * the same numbers as on a device that stores f16 and computes in f32.
   */
  #launchHalf(kernel: Kernel, operands: readonly Operand[], params: readonly number[]): void {
    const accesses = Object.values(kernel.buffers).map(spec => spec.access);
    const copies: (number | undefined)[] = [];
    try {
      const addresses = operands.map(({ allocation, dtype, byteOffset, length }, i) => {
        const address = this.#addressOf(allocation, byteOffset, bytesPerElement[dtype] * length);
        if (dtype !== 'f16') return address;
        const copy = (copies[i] = this.#heap.allocate(4 * length));
        this.#convert('decode_f16', address, copy, length); // outputs too: a kernel may leave elements as they are
        return copy;
      });
      this.#run(kernel, addresses, params);
      operands.forEach(({ allocation, byteOffset, length }, i) => {
        const copy = copies[i];
        if (copy === undefined || accesses[i] === 'read') return;
        this.#convert('encode_f16', copy, this.#addressOf(allocation, byteOffset, 2 * length), length);
      });
    } finally {
      for (const copy of copies) if (copy !== undefined) this.#heap.free(copy);
    }
  }

  #convert(name: 'decode_f16' | 'encode_f16', from: number, to: number, length: number): void {
    this.#integers.set([from, to, length], argsAddress >> 2);
    const units = Math.ceil(length / convertedPerUnit);
    this.#threads.run(
      { fn: this.#functions.get(name)!, units, pieces: Math.floor(units / 2), threadScratch: 0 },
      argsAddress,
      0,
    );
  }

  /** Of operands with elements of four bytes. */
  #addresses(operands: readonly Operand[]): number[] {
    return operands.map(({ allocation, byteOffset, length }) => this.#addressOf(allocation, byteOffset, 4 * length));
  }

  #addressOf(allocation: Allocation, byteOffset: number, bytes: number): number {
    const piece = allocation as WasmAllocation;
    if (piece.address === 0) throw new Error('an operand has been freed: keep its tensor until the last use');
    if (byteOffset + bytes > piece.bytes)
      throw new Error(
        `bytes ${byteOffset} to ${byteOffset + bytes} lie outside of an allocation of ${piece.bytes} bytes`,
      );
    return piece.address + byteOffset;
  }

  #grow(bytes: number): number {
    const current = this.#bytes.length;
    // a quarter more than before: few steps, little waste
    const wanted = Math.ceil(Math.max(bytes, current / 4) / pageBytes);
    const least = Math.ceil(bytes / pageBytes);
    const available = (this.#maxBytes - current) / pageBytes;
    try {
      this.#memory.grow(Math.max(least, Math.min(wanted, available)));
    } catch (cause) {
      const mib = (n: number) => `${Math.ceil(n / 2 ** 20)} MiB`;
      throw new DeviceError(
        'memory',
        `out of memory on the wasm backend: ${mib(bytes)} more are needed, ${mib(this.#heap.usedBytes)} of ${mib(this.#maxBytes)} ` +
          'are in use. Make the batch or the model smaller, or free tensors earlier (scopes)',
        { cause },
      );
    }
    this.#renewViews();
    return this.#bytes.length - endMargin;
  }

  /** Views end where the memory ended when they were made. */
  #renewViews(): void {
    const buffer = this.#memory.buffer as unknown as SharedArrayBuffer;
    this.#bytes = new Uint8Array(buffer);
    this.#integers = new Int32Array(buffer, 0, heapAddress / 4);
  }
}

/**
 * Compiles the kernel library and starts the worker threads.
 * @throws Error if the library was not built, relaxed SIMD is asked for but missing, or a thread does not start
 */
export async function openWasmBackend(options: WasmOptions = {}): Promise<WasmBackend> {
  return await WasmBackend.open(options);
}
