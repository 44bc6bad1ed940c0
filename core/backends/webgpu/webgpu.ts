/**
 * The webgpu backend: WGSL on Dawn, or on what a browser offers. Launches are recorded into one compute pass of one
 * command encoder and submitted together: when the host waits or reads, or when enough have gathered and the device has
 * little to do. Dawn puts a barrier between launches only where one writes what the other uses, so buffers are never
 * shared between tensors.
 */
import { stridedWriteKernel } from '../../../kernels/index.js';
import type { Kernel } from '../../../kernels/index.js';
import { namedParams } from '../../backend.js';
import { DeviceError } from '../../faults.js';
import type {
  Allocation,
  Backend,
  Capabilities,
  Launch,
  LaunchShape,
  LaunchTimer,
  Operand,
  Replay,
} from '../../backend.js';
import { Batch } from './batch.js';
import { openDevice } from './device.js';
import type { OpenedDevice } from './device.js';
import { Faults } from './faults.js';
import { BindGroupCache, megabytes, StagingRing } from './memory.js';
import type { Binding, Block } from './memory.js';
import type { WebGpuOptions } from './options.js';
import { Programs } from './programs.js';
import type { KernelTarget, PassProgram, Program, Selection } from './programs.js';
import { Recording } from './replay.js';
import { ScratchRing } from './scratch.js';
import { Timestamps } from './timestamps.js';

class WebGpuAllocation implements Allocation {
  readonly bytes: number;
  /** Undefined once freed. */
  block: Block | undefined;

  constructor(block: Block) {
    this.bytes = block.bytes;
    this.block = block;
  }
}

/** Opens a device and makes a backend of it. */
export async function openWebGpuBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  return new WebGpuBackend(await openDevice(options));
}

export class WebGpuBackend implements Backend {
  readonly capabilities: Capabilities;
  /** What kernels are written for here. */
  readonly target: KernelTarget;
  readonly #device: GPUDevice;
  readonly #groups: BindGroupCache;
  readonly #programs: Programs;
  readonly #staging: StagingRing;
  readonly #scratch: ScratchRing;
  /** Of the buffers behind tensors. */
  readonly #usage: number;
  #buffers = 0;
  #liveBytes = 0;

  readonly #batch: Batch;
  readonly #faults: Faults;
  /** While launches are prepared, what they would record goes here instead. */
  #recording: Recording | undefined;

  /** @param bindGroups to keep */
  constructor({ device, usage, profile, machine, capabilities, sleeps }: OpenedDevice, bindGroups = 8192) {
    this.capabilities = capabilities;
    this.#device = device;
    this.#faults = new Faults(device, sleeps);
    this.#batch = new Batch(device, this.#faults, capabilities.software);
    this.#usage = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST;
    this.#scratch = new ScratchRing(bytes => this.#take(bytes), capabilities.maxBufferBytes);
    this.#groups = new BindGroupCache(device, bindGroups);
    this.#staging = new StagingRing(bytes => this.#createBuffer(bytes, usage.MAP_READ | usage.COPY_DST));
    this.#programs = new Programs(device, { profile, machine }, check => this.#faults.track(check, true));
    this.target = this.#programs.target;
  }

  /** Counters that stand still in a steady state, and memory in bytes. */
  get statistics() {
    return {
      buffersCreated: this.#buffers,
      bindGroupsCreated: this.#groups.created,
      bindGroups: this.#groups.size,
      liveBytes: this.#liveBytes,
      batches: this.#batch.number,
    };
  }

  /** Which variants of which kernels were launched so far: what profiles and tuning tables have chosen. */
  selections(): readonly Selection[] {
    return this.#programs.selections();
  }

  allocate(bytes: number): Allocation {
    this.#faults.assertUsable();
    return new WebGpuAllocation(this.#take(bytes));
  }

  /** Asks the driver for it and gives it back at once: WebGPU does not tell how much there is. */
  async hasMemory(bytes: number): Promise<boolean> {
    this.#faults.assertUsable();
    const largest = Math.floor(this.capabilities.maxBufferBytes / 16) * 16;
    const buffers: GPUBuffer[] = [];
    this.#device.pushErrorScope('out-of-memory');
    for (let left = bytes; left > 0; left -= largest)
      buffers.push(
        this.#device.createBuffer({ size: Math.ceil(Math.min(left, largest) / 16) * 16, usage: this.#usage }),
      );
    const error = await this.#device.popErrorScope();
    for (const buffer of buffers) buffer.destroy();
    return error === null;
  }

  free(allocation: Allocation): void {
    const freed = own(allocation);
    if (!freed.block) return;
    this.#destroy(freed.block);
    freed.block = undefined;
  }

  write(allocation: Allocation, byteOffset: number, data: ArrayBufferView): void {
    this.#faults.assertUsable();
    const block = blockOf(allocation, 'write');
    if (byteOffset + data.byteLength > allocation.bytes)
      throw new Error(
        `write of ${data.byteLength} bytes at ${byteOffset} into an allocation of ${allocation.bytes} bytes`,
      );
    let bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength) as Uint8Array<ArrayBuffer>;
    if (!(data.buffer instanceof ArrayBuffer)) bytes = bytes.slice(); // WebGPU takes no shared memory
    const whole = bytes.length - (bytes.length % 4);
    if (byteOffset % 4 !== 0 || bytes.length % 2 !== 0)
      throw new Error(
        `write of ${bytes.length} bytes at ${byteOffset}: WebGPU copies whole words, from a multiple of 4`,
      );
    if (block.batch === this.#batch.number) this.flush(); // launches before this call see the old content
    if (whole > 0) this.#device.queue.writeBuffer(block.buffer, byteOffset, bytes, 0, whole);
    if (whole < bytes.length) this.#writeHalfWord(allocation, byteOffset + whole, bytes.slice(whole));
  }

  /** The last element of an odd number of f16, without touching its neighbour: by a kernel, since copies move words. */
  #writeHalfWord(allocation: Allocation, byteOffset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const source = this.allocate(16);
    const word = new Uint8Array(16);
    word.set(bytes);
    this.write(source, 0, word);
    const view = byteOffset - (byteOffset % 256);
    const x: Operand = { allocation: source, dtype: 'f16', byteOffset: 0, length: 1 };
    const y: Operand = { allocation, dtype: 'f16', byteOffset: view, length: (byteOffset - view) / 2 + 1 };
    this.launch(stridedWriteKernel, [x, y], [1, 1, 1, 1, 0, 0, 0, 0, y.length - 1]);
    this.free(source);
  }

  async read(allocation: Allocation, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    this.#faults.assertUsable();
    const block = blockOf(allocation, 'read');
    const begin = byteOffset - (byteOffset % 4);
    const size = Math.ceil((byteOffset + bytes - begin) / 4) * 4;
    if (begin + size > allocation.bytes)
      throw new Error(`read of ${bytes} bytes at ${byteOffset} from an allocation of ${allocation.bytes} bytes`);
    const staging = this.#staging.take(size);
    if (size > 0) this.#batch.copy(block, begin, staging.buffer, 0, size);
    this.flush();
    const mapped = staging.buffer.mapAsync(1 /* GPUMapMode.READ */, 0, size);
    await this.#faults.wait(mapped);
    const start = byteOffset - begin;
    const result = staging.buffer.getMappedRange(0, size).slice(start, start + bytes);
    staging.buffer.unmap();
    this.#staging.give(staging);
    return result;
  }

  launch(kernel: Kernel, operands: readonly Operand[], params: readonly number[]): void {
    this.#faults.assertUsable();
    const program = this.#programs.get(kernel, operands);
    const named = namedParams(kernel, params);
    const { bound: separate, copies } = this.#separateReads(program, operands);
    const bound = program.usesScratch ? this.#withScratch(program, separate, named) : separate;
    const { bytes, words, floats } = program.immediates;
    program.params.forEach(([, type], i) => {
      if (type === 'u32') words[i] = params[i]!;
      else floats[i] = params[i]!;
    });
    const immediates = params.length === 0 ? undefined : this.#recording ? bytes.slice() : bytes;
    if (this.#batch.timestamps?.isFull) this.flush();
    this.#batch.timestamps?.launch(kernel, params);
    for (const pass of program.passes) {
      const workgroups = pass.workgroups(named);
      if (workgroups.every(count => count > 0)) this.#encode(program, pass, bound, immediates, workgroups);
    }
    for (const copy of copies) this.#destroy(copy);
    if (!this.#recording) this.#batch.submitIfWorthwhile();
  }

  async compile(launches: Iterable<LaunchShape>): Promise<void> {
    this.#faults.assertUsable();
    const pending: Promise<void>[] = [];
    for (const { kernel, operands, params } of launches) {
      const named = namedParams(kernel, params);
      for (const pass of this.#programs.get(kernel, operands).passes)
        if (pass.workgroups(named).every(count => count > 0)) pending.push(pass.compile());
    }
    await this.#faults.wait(Promise.all(pending));
  }

  /** See replay.ts: bind groups are made once, and a run is one pass and one submission. */
  prepare(launches: readonly Launch[]): Replay {
    const recording = new Recording();
    this.#recording = recording;
    try {
      for (const { kernel, operands, params } of launches) this.launch(kernel, operands, params);
    } finally {
      this.#recording = undefined;
    }
    return {
      run: () => {
        this.#faults.assertUsable();
        this.#batch.repeat(recording);
        recording.count();
      },
      dispose: () => {
        for (const block of recording.owned.splice(0)) this.#destroy(block);
      },
    };
  }

  #encode(
    program: Program,
    pass: PassProgram,
    operands: readonly Operand[],
    immediates: ArrayBuffer | undefined,
    workgroups: readonly [number, number, number],
  ): void {
    const bindings = pass.bound.map((position): Binding => {
      const { allocation, byteOffset, length } = operands[position]!;
      const block = blockOf(allocation, program.kernel.name);
      const size = Math.max(16, Math.ceil((length * program.elementBytes[position]!) / 16) * 16);
      if (byteOffset % 256 !== 0 || byteOffset + size > block.bytes)
        throw new Error(
          `kernel ${program.kernel.name}, buffer ${Object.keys(program.kernel.buffers)[position]!}: ${size} bytes at ${byteOffset} of an ` +
            `allocation of ${block.bytes} bytes (the offset must be a multiple of 256, the end inside)`,
        );
      block.batch = this.#batch.number;
      return { binding: position, block, offset: byteOffset, size };
    });
    const pipeline = pass.pipeline();
    const group = this.#groups.get(pass.layout, pass.layoutId, bindings);
    if (this.#recording) {
      const blocks = bindings.map(({ block }) => block);
      this.#recording.dispatch(pass, { pipeline, group, immediates }, workgroups, blocks);
      return;
    }
    this.#batch.dispatch(pipeline, group, immediates, ...workgroups);
    pass.launches++;
  }

  /** The operands, and behind them the launch's scratch buffer if a pass wants one. */
  #withScratch(program: Program, operands: readonly Operand[], params: Readonly<Record<string, number>>) {
    const length = Math.max(4, ...program.passes.map(pass => pass.scratch(params))); // bound even where it is not used
    const allocation = new WebGpuAllocation(this.#scratch.next(4 * length));
    return [...operands, { allocation, dtype: 'f32', byteOffset: 0, length } as const];
  }

  /**
   * WebGPU refuses a buffer that one launch both writes and only reads, even in different places. Such a read is
   * served from a copy.
   */
  #separateReads(
    program: Program,
    operands: readonly Operand[],
  ): { bound: readonly Operand[]; copies: readonly Block[] } {
    let result = operands;
    const copies: Block[] = [];
    for (const position of program.onlyRead) {
      const operand = operands[position]!;
      if (!program.written.some(other => operands[other]!.allocation === operand.allocation)) continue;
      const size = Math.max(16, Math.ceil((operand.length * program.elementBytes[position]!) / 16) * 16);
      const copy = this.#take(size);
      const from = blockOf(operand.allocation, program.kernel.name);
      if (this.#recording) this.#recording.copy({ from, fromOffset: operand.byteOffset, to: copy, bytes: size });
      else {
        copy.batch = this.#batch.number;
        this.#batch.copy(from, operand.byteOffset, copy.buffer, 0, size);
        copies.push(copy);
      }
      result = result.with(position, { ...operand, allocation: new WebGpuAllocation(copy), byteOffset: 0 });
    }
    return { bound: result, copies };
  }

  timeLaunches(timer: LaunchTimer | undefined): boolean {
    this.flush();
    this.#batch.timestamps?.dispose();
    this.#batch.timestamps = undefined;
    if (!this.#device.features.has('timestamp-query')) return false;
    if (timer) this.#batch.timestamps = new Timestamps(this.#device, timer);
    return true;
  }

  /** Submits what has been launched so far. */
  flush(): void {
    this.#batch.submit();
  }

  async finish(): Promise<void> {
    this.#faults.assertUsable();
    this.flush();
    await this.#faults.wait(this.#device.queue.onSubmittedWorkDone());
  }

  async close(): Promise<void> {
    if (this.#faults.isClosed) return;
    try {
      if (!this.#faults.isLost) await this.finish();
    } finally {
      this.#faults.close();
      this.#device.destroy();
    }
  }

  /** A buffer of at least `bytes`. Devices pool what they free, so none is kept here. */
  #take(bytes: number): Block {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const most = this.capabilities.maxBufferBytes;
    if (size > most)
      throw new DeviceError(
        'memory',
        `A buffer of ${megabytes(size)} is more than this adapter can bind (${megabytes(most)}): use a smaller batch, ` +
          'shorter sequences or f16.',
      );
    this.#liveBytes += size;
    return { id: this.#buffers++, buffer: this.#createBuffer(size, this.#usage), bytes: size, batch: -1 };
  }

  /** Destroys a buffer after submitting the launches that use it. */
  #destroy(block: Block): void {
    if (block.batch === this.#batch.number) this.flush();
    this.#liveBytes -= block.bytes;
    this.#groups.forget(block);
    block.buffer.destroy();
  }

  #createBuffer(size: number, usage: number): GPUBuffer {
    this.#device.pushErrorScope('out-of-memory');
    const buffer = this.#device.createBuffer({ size, usage });
    const problem = this.#device.popErrorScope();
    const inUse = this.#liveBytes;
    const check = async () => {
      if (await problem)
        throw new DeviceError(
          'memory',
          `No device memory for ${megabytes(size)} more (${megabytes(inUse)} in use): use a smaller batch, shorter ` +
            'sequences or f16.',
        );
    };
    this.#faults.track(check());
    return buffer;
  }
}

function own(allocation: Allocation): WebGpuAllocation {
  if (allocation instanceof WebGpuAllocation) return allocation;
  throw new Error('This buffer belongs to another backend: copy its values over through the host.');
}

function blockOf(allocation: Allocation, use: string): Block {
  const { block } = own(allocation);
  if (!block) throw new Error(`${use}: the buffer was freed before this call`);
  return block;
}
