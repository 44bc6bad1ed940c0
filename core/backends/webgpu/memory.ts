/**
 * Device memory of the webgpu backend. Making a buffer costs microseconds, a clear on first use and work for the garbage
 * collector, so freed buffers are kept and handed out again. That is safe while launches that use them are still queued: a queue
 * runs in order, so whoever gets the buffer next comes later.
 */

import { DeviceError } from '../../faults.js';

/** A GPU buffer and what the backend knows about it. */
export interface Block {
  /** Unique within the process, never used again. */
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Number of the last batch of launches that used it. */
  batch: number;
}

/**
 * Sizes are rounded up to one of eight steps per power of two: at most 12.5 % is wasted, and sequences of different
 * length share buffers.
 */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = Math.max(256, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

export interface PoolOptions {
  /** Most bytes of free buffers to keep. */
  readonly keepBytes: number;
  /** Largest buffer. */
  readonly maxBytes: number;
  create(bytes: number): GPUBuffer;
  /** Called before a buffer is destroyed: commands that use it must have been submitted. */
  beforeDestroy(block: Block): void;
}

let nextId = 1;

export class BufferPool {
  readonly #options: PoolOptions;
  readonly #free = new Map<number, Block[]>();
  /** Bytes handed out. */
  liveBytes = 0;
  /** Bytes of free buffers. */
  keptBytes = 0;
  /** Buffers ever made: constant in a steady state. */
  created = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  take(bytes: number): Block {
    const size = Math.min(sizeClass(bytes), Math.floor(this.#options.maxBytes / 16) * 16);
    if (bytes > size)
      throw new DeviceError(
        'memory',
        `A buffer of ${megabytes(bytes)} is more than this adapter can bind (${megabytes(size)}): use a smaller batch, shorter ` +
          'sequences or f16.',
      );
    this.liveBytes += size;
    const kept = this.#free.get(size)?.pop();
    if (kept) {
      this.keptBytes -= size;
      return kept;
    }
    this.created++;
    return { id: nextId++, buffer: this.#options.create(size), bytes: size, batch: -1 };
  }

  give(block: Block): void {
    const { bytes } = block;
    this.liveBytes -= bytes;
    this.keptBytes += bytes;
    const list = this.#free.get(bytes);
    if (list) list.push(block);
    else this.#free.set(bytes, [block]);
    if (this.keptBytes > this.#options.keepBytes) this.trim(this.#options.keepBytes / 2);
  }

  /** Destroys free buffers, those of the sizes that were asked for first, until at most `bytes` are kept. */
  trim(bytes: number): void {
    for (const [size, list] of this.#free) {
      while (list.length > 0 && this.keptBytes > bytes) {
        const block = list.shift()!;
        this.keptBytes -= size;
        this.#options.beforeDestroy(block);
        block.buffer.destroy();
      }
      if (list.length === 0) this.#free.delete(size);
    }
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** What a bind group shows of a block. */
export interface Binding {
  readonly binding: number;
  readonly block: Block;
  readonly offset: number;
  readonly size: number;
}

/** Bind groups by layout and buffers; the oldest are dropped beyond `capacity`, and those of a buffer when it is destroyed. */
export class BindGroupCache {
  readonly #device: GPUDevice;
  readonly #capacity: number;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #keysOfBlock = new Map<number, Set<string>>();
  readonly #blocksOfKey = new Map<string, readonly number[]>();
  created = 0;

  constructor(device: GPUDevice, capacity: number) {
    this.#device = device;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#groups.size;
  }

  get(layout: GPUBindGroupLayout, layoutId: number, bindings: readonly Binding[]): GPUBindGroup {
    let key = String(layoutId);
    for (const { block, offset, size } of bindings) key += `;${block.id},${offset},${size}`;
    return this.#groups.get(key) ?? this.#create(key, layout, bindings);
  }

  #create(key: string, layout: GPUBindGroupLayout, bindings: readonly Binding[]): GPUBindGroup {
    if (this.#groups.size >= this.#capacity) this.#evict();
    const group = this.#device.createBindGroup({
      layout,
      entries: bindings.map(({ binding, block, offset, size }) => ({
        binding,
        resource: { buffer: block.buffer, offset, size },
      })),
    });
    this.created++;
    this.#groups.set(key, group);
    this.#blocksOfKey.set(
      key,
      bindings.map(({ block }) => block.id),
    );
    for (const { block } of bindings) {
      const keys = this.#keysOfBlock.get(block.id);
      if (keys) keys.add(key);
      else this.#keysOfBlock.set(block.id, new Set([key]));
    }
    return group;
  }

  /** Drops the older half: cheap, and rare where shapes repeat. */
  #evict(): void {
    let left = Math.ceil(this.#capacity / 2);
    for (const key of this.#groups.keys()) {
      if (left-- <= 0) break;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#groups.delete(key);
    for (const id of this.#blocksOfKey.get(key) ?? []) {
      const keys = this.#keysOfBlock.get(id);
      keys?.delete(key);
      if (keys?.size === 0) this.#keysOfBlock.delete(id);
    }
    this.#blocksOfKey.delete(key);
  }

  forget(block: Block): void {
    for (const key of [...(this.#keysOfBlock.get(block.id) ?? [])]) this.#drop(key);
  }
}

/** Buffers that the host can map, for read-backs; one is in use from the copy until it is unmapped. */
export class StagingRing {
  readonly #create: (bytes: number) => GPUBuffer;
  readonly #idle: { readonly bytes: number; readonly buffer: GPUBuffer }[] = [];

  constructor(create: (bytes: number) => GPUBuffer) {
    this.#create = create;
  }

  take(bytes: number): { readonly bytes: number; readonly buffer: GPUBuffer } {
    const size = sizeClass(bytes);
    const at = this.#idle.findIndex(staging => staging.bytes === size);
    if (at >= 0) return this.#idle.splice(at, 1)[0]!;
    return { bytes: size, buffer: this.#create(size) };
  }

  /** Keeps the eight that were used last. */
  give(staging: { readonly bytes: number; readonly buffer: GPUBuffer }): void {
    this.#idle.push(staging);
    if (this.#idle.length > 8) this.#idle.shift()!.buffer.destroy();
  }
}
