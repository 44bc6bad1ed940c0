/**
 * Times of single launches, from the adapter's own clock. Every launch gets a pass of its own, since a pass is the
 * smallest thing that WebGPU times: so launches that could overlap do not, and a profiled step takes longer than a
 * plain one.
 */
import type { Kernel } from '../../../kernels/index.js';
import type { LaunchTimer } from '../../backend.js';

/** Time stamps in a set: WebGPU allows 4096. */
const most = 4096;
/** Room that a launch of several passes may need. */
const margin = 64;

interface Stamped {
  readonly kernel: Kernel;
  readonly params: readonly number[];
  /** Passes of the launch. */
  passes: number;
}

export class Timestamps {
  readonly #device: GPUDevice;
  readonly #listener: LaunchTimer;
  readonly #set: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  /** Launches of the open batch, in order, and time stamps they have taken. */
  #launches: Stamped[] = [];
  #stamps = 0;

  constructor(device: GPUDevice, listener: LaunchTimer) {
    this.#device = device;
    this.#listener = listener;
    this.#set = device.createQuerySet({ type: 'timestamp', count: most });
    this.#resolved = device.createBuffer({ size: 8 * most, usage: 0x0200 | 0x0004 }); // QUERY_RESOLVE | COPY_SRC
  }

  /** True if the open batch may have no room for another launch. */
  get isFull(): boolean {
    return this.#stamps + margin > most;
  }

  /** A launch begins: the passes that follow are its own. */
  launch(kernel: Kernel, params: readonly number[]): void {
    this.#launches.push({ kernel, params: [...params], passes: 0 });
  }

  /** What the next pass is begun with. */
  next(): GPUComputePassTimestampWrites {
    this.#launches.at(-1)!.passes++;
    const at = this.#stamps;
    this.#stamps += 2;
    return { querySet: this.#set, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /**
   * Ends a batch: called with its encoder before it is finished; the function returned is to be called after it was
   * submitted.
   */
  close(encoder: GPUCommandEncoder): () => Promise<void> {
    const launches = this.#launches;
    const bytes = 8 * this.#stamps;
    this.#launches = [];
    this.#stamps = 0;
    if (bytes === 0) return () => Promise.resolve();
    const staging = this.#device.createBuffer({ size: bytes, usage: 0x0001 | 0x0008 }); // MAP_READ | COPY_DST
    encoder.resolveQuerySet(this.#set, 0, bytes / 8, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, bytes);
    return async () => {
      await staging.mapAsync(1); // GPUMapMode.READ
      const stamps = new BigUint64Array(staging.getMappedRange());
      let at = 0;
      for (const { kernel, params, passes } of launches) {
        let nanoseconds = 0;
        for (const end = at + 2 * passes; at < end; at += 2) nanoseconds += Number(stamps[at + 1]! - stamps[at]!);
        this.#listener(kernel, params, nanoseconds / 1e9);
      }
      staging.destroy();
    };
  }

  dispose(): void {
    this.#set.destroy();
    this.#resolved.destroy();
  }
}
