/** GPU buffers, the bind groups that name them, and the ring of buffers that reads go through. */

/** A GPU buffer and what the backend knows about it. */
export interface Block {
  /** Unique within the backend, never used again. */
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Number of the last batch of launches that used it. */
  batch: number;
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

/**
 * Bind groups by layout and buffers; the oldest are dropped beyond `capacity`, and those of a buffer when it is
 * destroyed.
 */
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
    const size = 2 ** Math.ceil(Math.log2(Math.max(256, bytes)));
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
