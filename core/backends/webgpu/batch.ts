/**
 * The open batch of the webgpu backend: what was launched and not submitted yet, in one command encoder and, as far
 * as copies and time stamps allow, one compute pass.
 */
import type { Faults } from './faults.js';
import type { Block } from './memory.js';
import { dispatch } from './replay.js';
import type { Recording } from './replay.js';
import type { Timestamps } from './timestamps.js';

/** Launches that are worth a submission of their own while the device has nothing to do. */
const worthwhile = 64;
/** Launches that are submitted even if two batches are under way already. */
const longest = 2048;
/**
 * Batches under way beyond which launches gather on a software adapter, which shares the processor: a deep queue makes
 * everything wait longer, and gains nothing. A GPU is never left waiting for a step that is still being recorded.
 */
const mostInFlight = 2;

export class Batch {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #software: boolean;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #number = 0;
  #queued = 0;
  #inFlight = 0;
  /** What the open pass has set last. */
  #pipeline: GPUComputePipeline | undefined;
  #group: GPUBindGroup | undefined;
  /** Set while launches are timed: each of their passes is one of its own then. */
  timestamps: Timestamps | undefined;

  constructor(device: GPUDevice, faults: Faults, software: boolean) {
    this.#device = device;
    this.#faults = faults;
    this.#software = software;
  }

  /** Batches submitted before this one. */
  get number(): number {
    return this.#number;
  }

  /** @param immediates all params of the kernel, undefined if it has none */
  dispatch(
    pipeline: GPUComputePipeline,
    group: GPUBindGroup,
    immediates: ArrayBuffer | undefined,
    x: number,
    y: number,
    z: number,
  ): void {
    if (this.timestamps) this.#endPass();
    const pass = this.#openPass(this.timestamps?.next());
    if (pipeline !== this.#pipeline) pass.setPipeline((this.#pipeline = pipeline));
    if (group !== this.#group) pass.setBindGroup(0, (this.#group = group));
    if (immediates) pass.setImmediates(0, immediates);
    dispatch(pass, x, y, z);
    this.#queued++;
  }

  copy(from: Block, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.#endPass();
    from.batch = this.#number;
    this.#encoder ??= this.#device.createCommandEncoder();
    this.#encoder.copyBufferToBuffer(from.buffer, fromOffset, to, toOffset, bytes);
  }

  /** Everything in a recording, behind the open batch; a GPU begins with the first segment while others follow. */
  repeat({ segments, blocks }: Recording): void {
    for (const block of blocks) block.batch = this.#number;
    for (const { copies, dispatches } of segments) {
      for (const { from, fromOffset, to, bytes } of copies) this.copy(from, fromOffset, to.buffer, 0, bytes);
      const pass = this.#openPass();
      for (const { pipeline, group, immediates, x, y, z } of dispatches) {
        if (pipeline) pass.setPipeline(pipeline);
        if (group) pass.setBindGroup(0, group);
        if (immediates) pass.setImmediates(0, immediates);
        dispatch(pass, x, y, z);
      }
      this.#queued += dispatches.length;
      if (!this.#software) this.submitIfWorthwhile();
    }
    this.submit();
  }

  /** Submits if that is worth it: enough has gathered, and the device has little to do or is a GPU. */
  submitIfWorthwhile(): void {
    const isIdle = !this.#software || this.#inFlight < mostInFlight;
    if (this.#queued >= longest || (this.#queued >= worthwhile && isIdle)) this.submit();
  }

  /** Submits what has been launched so far. */
  submit(): void {
    if (!this.#encoder) return;
    this.#endPass();
    this.#device.pushErrorScope('validation');
    const submitted = this.timestamps?.close(this.#encoder);
    this.#device.queue.submit([this.#encoder.finish()]);
    if (submitted) this.#faults.track(submitted());
    this.#faults.track(this.#device.popErrorScope().then(throwIfInvalid));
    this.#encoder = undefined;
    this.#number++;
    this.#queued = 0;
    this.#inFlight++;
    const done = () => {
      this.#inFlight--;
      if (this.#queued >= worthwhile && !this.#faults.isLost && !this.#faults.isClosed) this.submit();
    };
    this.#device.queue.onSubmittedWorkDone().then(done, done);
  }

  #openPass(timestampWrites?: GPUComputePassTimestampWrites): GPUComputePassEncoder {
    if (!this.#pass) {
      this.#encoder ??= this.#device.createCommandEncoder();
      this.#pass = this.#encoder.beginComputePass(timestampWrites && { timestampWrites });
      this.#pipeline = undefined;
      this.#group = undefined;
    }
    return this.#pass;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}

function throwIfInvalid(error: GPUError | null): void {
  if (error) throw new Error(error.message);
}
