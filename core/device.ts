/**
 * A device: a backend with memory management on top. Storage comes from a pool by size class, belongs to the scope in
 * which it was made, and goes back when that scope ends, so nobody disposes of tensors in a training step.
 */
import { bytesPerElement, encodeElements } from '../kernels/index.js';
import type { DType, Kernel, Kind } from '../kernels/index.js';
import type { Allocation, Backend, Capabilities, Operand } from './backend.js';
import { DeviceError } from './faults.js';
import { formatShape, sizeOf } from './shape.js';
import type { Shape } from './shape.js';
import { Tensor } from './tensor.js';
import { mapHostArrays, mapTree } from './tree.js';
import type { Tensors } from './tree.js';

/** Memory behind one or several tensors (views share it). */
export class Storage {
  readonly device: Device;
  readonly bytes: number;
  /** The op or function that asked for it, for error messages. */
  readonly label: string;
  /** The device's memory; undefined once freed. */
  allocation: Allocation | undefined;

  constructor(device: Device, allocation: Allocation, bytes: number, label: string) {
    this.device = device;
    this.allocation = allocation;
    this.bytes = bytes;
    this.label = label;
  }
}

/** Counts of buffers and bytes. */
export interface MemoryUse {
  /** Storages that tensors may still use. */
  readonly liveBuffers: number;
  readonly liveBytes: number;
  /** The largest `liveBytes` so far. */
  readonly peakBytes: number;
  /** Memory kept for reuse. */
  readonly pooledBytes: number;
  /** Allocations asked of the backend so far: flat in a steady training loop. */
  readonly allocations: number;
}

/** What a new tensor holds. */
export interface TensorOptions {
  /** Default f32. */
  readonly dtype?: DType;
}

/** Values on the host, on their way to a device. */
export interface HostArray {
  readonly values: ArrayLike<number>;
  /** Default: one dimension. */
  readonly shape?: Shape;
  /** Default f32. */
  readonly dtype?: DType;
}

/** What a kernel's buffer may hold; see `Kind` in kernels/kernel.ts. f64 exists on the cpu backend only. */
const dtypesOfKind: Readonly<Record<Kind, readonly DType[]>> = {
  float: ['f32', 'f16', 'f64'],
  wide: ['f32', 'f64'],
  index: ['i32'],
};

/** Observes launches: profilers. */
export type LaunchObserver = (kernel: Kernel, operands: readonly Operand[], params: readonly number[]) => void;

/** What a launch works on, by the names of the kernel's buffers. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** Told after each launch which tensors it worked on. */
export type ResultObserver = (kernel: Kernel, tensors: NamedTensors) => void;

/** Told all that a step asks of the device; see replay/trace.ts. */
export interface StepObserver {
  allocated(storage: Storage): void;
  wrote(tensor: Tensor, byteOffset: number, data: ArrayBufferView): void;
  launched(kernel: Kernel, tensors: NamedTensors, operands: readonly Operand[], params: readonly number[]): void;
  readBack(tensor: Tensor): void;
}

/** Switches for finding faults; all off by default. */
export interface DeviceOptions {
  /**
   * For tests: memory is filled with NaN before its first use and when it is freed, so reads of uninitialised or
   * freed memory yield NaN, and every op is held to its shape rule.
   */
  readonly checks?: boolean;
}

/**
 * Pool classes: multiples of an eighth of a power of two, so at most an eighth is wasted and batches whose token count
 * changes a little reuse each other's memory.
 */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / Math.max(step, 256)) * Math.max(step, 256);
}

/** Memory and launches on a backend: allocates tensors, owns them by scopes, runs kernels on them. */
export class Device {
  readonly backend: Backend;
  readonly capabilities: Capabilities;
  /** Set to watch launches; cleared with undefined. */
  observer: LaunchObserver | undefined;
  /** Set while a step is recorded; see replay/recorder.ts. */
  trace: StepObserver | undefined;
  /** Set to look at results: recorders run every launch eagerly then. */
  resultObserver: ResultObserver | undefined;
  /** See `DeviceOptions`. */
  readonly checks: boolean;
  readonly #pool = new Map<number, Allocation[]>();
  readonly #live = new Set<Storage>();
  readonly #scopes: Set<Storage>[] = [];
  #liveBytes = 0;
  #peakBytes = 0;
  #pooledBytes = 0;
  #allocations = 0;
  #isClosed = false;

  constructor(backend: Backend, { checks = false }: DeviceOptions = {}) {
    this.backend = backend;
    this.checks = checks;
    this.capabilities = backend.capabilities;
  }

  /**
   * A contiguous tensor with unspecified content, for kernels to write.
   * @throws Error if the dtype is not offered here.
   */
  empty(shape: Shape, dtype: DType = 'f32', label = 'empty'): Tensor {
    this.#requireOpen();
    if (!this.capabilities.dtypes.includes(dtype))
      throw new Error(
        `${label}: the ${this.capabilities.backend} backend on ${this.capabilities.name} has no ${dtype}; it offers ` +
          `${this.capabilities.dtypes.join(', ')}${dtype === 'f64' ? ' (f64 exists on --device cpu)' : ''}`,
      );
    if (!shape.every(n => Number.isInteger(n) && n >= 0))
      throw new Error(`${label}: ${formatShape(shape)} is not a shape`);
    const bytes = Math.max(16, sizeOf(shape) * bytesPerElement[dtype]);
    const size = sizeClass(bytes);
    if (size > this.capabilities.maxBufferBytes)
      throw new DeviceError(
        'memory',
        `${label}: a tensor ${formatShape(shape)} of ${dtype} needs ${size} bytes; the largest buffer of ` +
          `${this.capabilities.name} has ${this.capabilities.maxBufferBytes} (use a smaller batch or preset)`,
      );
    let allocation = this.#pool.get(size)?.pop();
    if (allocation) this.#pooledBytes -= size;
    else {
      allocation = this.#allocate(size);
      this.#allocations++;
      if (this.checks) this.#poison(allocation);
    }
    const storage = new Storage(this, allocation, size, label);
    this.#live.add(storage);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    this.#scopes.at(-1)?.add(storage);
    this.trace?.allocated(storage);
    return new Tensor(storage, shape, dtype);
  }

  /** A tensor with the given values, rounded to `dtype`. @throws Error if their number does not fit the shape. */
  tensor(values: ArrayLike<number>, shape: Shape = [values.length], { dtype = 'f32' }: TensorOptions = {}): Tensor {
    if (values.length !== sizeOf(shape))
      throw new Error(
        `tensor: ${values.length} values do not fill shape ${formatShape(shape)} (${sizeOf(shape)} elements)`,
      );
    const tensor = this.empty(shape, dtype, 'tensor');
    this.write(tensor, values);
    return tensor;
  }

  /**
   * A tensor with the values of a host array; of a tree of them (plain objects, arrays, undefined), the same tree of
   * tensors.
   * @throws Error for leaves of any other kind
   */
  fromHost<const T extends object>(tree: T): Tensors<T> {
    return mapHostArrays(tree, ({ values, shape, dtype = 'f32' }) =>
      this.tensor(values, shape, { dtype }),
    ) as Tensors<T>;
  }

  /** A tensor of one repeated value. */
  full(shape: Shape, value: number, { dtype = 'f32' }: TensorOptions = {}): Tensor {
    return this.tensor(new Float64Array(sizeOf(shape)).fill(value), shape, { dtype });
  }

  /** A tensor of zeros. */
  zeros(shape: Shape, options: TensorOptions = {}): Tensor {
    return this.full(shape, 0, options);
  }

  /** Overwrites a contiguous tensor's values from the host; ordered with launches. */
  write(tensor: Tensor, values: ArrayLike<number>): void {
    const operand = this.operand(tensor);
    if (values.length !== operand.length)
      throw new Error(`write: ${values.length} values do not fill shape ${formatShape(tensor.shape)}`);
    const matches =
      (values instanceof Float32Array && tensor.dtype === 'f32') ||
      (values instanceof Int32Array && tensor.dtype === 'i32');
    if (tensor.dtype === 'i32' && !matches) requireIntegers(values);
    const bytes = matches ? values : new Uint8Array(encodeElements(values, tensor.dtype));
    this.trace?.wrote(tensor, operand.byteOffset, bytes);
    this.backend.write(operand.allocation, operand.byteOffset, bytes);
  }

  /** The memory behind a tensor. @throws Error if it was freed, or belongs to another device. */
  allocationOf(tensor: Tensor): Allocation {
    this.#requireOpen();
    const { allocation, label, device } = tensor.storage;
    if (!allocation)
      throw new Error(
        `a tensor ${formatShape(tensor.shape)} made by ${label} is used after its memory was freed: it belonged to a ` +
          'scope that has ended; return it from the scope, or make it outside',
      );
    if (device !== this) throw new Error('a tensor of another device is used here; read it and make a new one');
    return allocation;
  }

  /** How kernels see a tensor. @throws Error for freed memory and for views that need a copy first. */
  operand(tensor: Tensor): Operand {
    const allocation = this.allocationOf(tensor);
    const byteOffset = tensor.offset * bytesPerElement[tensor.dtype];
    if (!tensor.isContiguous || byteOffset % 256 !== 0)
      throw new Error(
        `a view ${formatShape(tensor.shape)} at ${tensor.offset} with strides ${formatShape(tensor.strides)} ` +
          (tensor.dtype === 'i32' ? 'of indices: make them a tensor of their own' : 'needs contiguous() first'),
      );
    return { allocation, dtype: tensor.dtype, byteOffset, length: tensor.size };
  }

  /**
   * Runs a kernel on contiguous tensors. Ops call it; it knows nothing of gradients.
   * @throws Error for a dtype that the kernel's buffer cannot hold, and for a parameter without a value
   */
  launch<B extends string, P extends string>(
    kernel: Kernel<B, P>,
    tensors: Readonly<Record<B, Tensor>>,
    params: Readonly<Record<P, number>>,
  ): void {
    const operands: Operand[] = [];
    for (const name in kernel.buffers) {
      const { dtype } = tensors[name];
      const { kind } = kernel.buffers[name];
      if (!dtypesOfKind[kind].includes(dtype))
        throw new Error(
          `kernel ${kernel.name}: ${name} is ${dtype}; it must be ${dtypesOfKind[kind].join(' or ')} ` +
            (dtype === 'i32' ? '(i32 holds indices alone)' : '(cast() it, or make it so)'),
        );
      operands.push(this.operand(tensors[name]));
    }
    const values = Object.keys(kernel.params).map(name => params[name as P]);
    // the type of a kernel that is found by its name says nothing about its parameters
    if (values.includes(undefined!)) throw new Error(`${kernel.name} needs ${Object.keys(kernel.params).join(', ')}`);
    const erased = kernel as unknown as Kernel;
    this.observer?.(erased, operands, values);
    this.trace?.launched(erased, tensors, operands, values);
    this.backend.launch(erased, operands, values);
    this.resultObserver?.(erased, tensors);
  }

  /**
   * Runs `body` and frees every tensor made in it, except those in its result (a tensor, or arrays and plain objects
   * of them), which pass to the enclosing scope. With an async body, the scope ends when the promise settles; scopes
   * nest like calls, so do not interleave two async ones.
   */
  scope<T>(body: () => T): T {
    const storages = new Set<Storage>();
    this.#scopes.push(storages);
    const end = (outcome?: unknown) => this.#endScope(storages, outcome);
    let result: T;
    try {
      result = body();
    } catch (error) {
      end();
      throw error;
    }
    if (!(result instanceof Promise)) {
      end(result);
      return result;
    }
    const done = (value: unknown) => {
      end(value);
      return value;
    };
    const failed = (error: unknown) => {
      end();
      throw error;
    };
    return result.then(done, failed) as T;
  }

  #endScope(storages: Set<Storage>, result: unknown): void {
    this.#scopes.splice(this.#scopes.lastIndexOf(storages), 1);
    const parent = this.#scopes.at(-1);
    const kept = this.storagesOf(result);
    for (const storage of storages)
      if (kept.has(storage)) parent?.add(storage);
      else this.free(storage);
  }

  /** The memory behind all tensors of a tree of arrays and plain objects. */
  storagesOf(value: unknown): ReadonlySet<Storage> {
    const storages = new Set<Storage>();
    mapTree(value, leaf => leaf instanceof Tensor && storages.add(leaf.storage));
    return storages;
  }

  /** True if the storage will be freed when a scope ends. */
  isScoped(storage: Storage): boolean {
    return this.#scopes.some(scope => scope.has(storage));
  }

  /** Takes a tensor out of all scopes: it lives until `free`. For parameters and other long-lived state. */
  keep(tensor: Tensor): Tensor {
    for (const scope of this.#scopes) scope.delete(tensor.storage);
    return tensor;
  }

  /** Returns memory to the pool at once. Idempotent. */
  free(owner: Storage | Tensor): void {
    const storage = owner instanceof Tensor ? owner.storage : owner;
    const { allocation } = storage;
    if (!allocation || !this.#live.delete(storage)) return;
    for (const scope of this.#scopes) scope.delete(storage);
    storage.allocation = undefined;
    if (this.checks) this.#poison(allocation);
    this.#liveBytes -= storage.bytes;
    this.#pooledBytes += storage.bytes;
    const bucket = this.#pool.get(storage.bytes);
    if (bucket) bucket.push(allocation);
    else this.#pool.set(storage.bytes, [allocation]);
  }

  /** New memory. If there is none left, the pool is emptied first. */
  #allocate(bytes: number): Allocation {
    try {
      return this.backend.allocate(bytes);
    } catch (error) {
      if (!(error instanceof DeviceError) || this.#pooledBytes === 0) throw error;
      this.trim();
      return this.backend.allocate(bytes);
    }
  }

  /** Sets all bits: NaN in f32, f16 and f64, -1 in i32. */
  #poison(allocation: Allocation): void {
    this.backend.write(allocation, 0, new Uint8Array(allocation.bytes).fill(0xff));
  }

  /** Gives pooled memory back to the machine. */
  trim(): void {
    for (const bucket of this.#pool.values()) for (const allocation of bucket) this.backend.free(allocation);
    this.#pool.clear();
    this.#pooledBytes = 0;
  }

  /** Counts of buffers and bytes, now and at their peak. */
  memory(): MemoryUse {
    return {
      liveBuffers: this.#live.size,
      liveBytes: this.#liveBytes,
      peakBytes: this.#peakBytes,
      pooledBytes: this.#pooledBytes,
      allocations: this.#allocations,
    };
  }

  /** Resolves when all launched work is done. */
  async finish(): Promise<void> {
    this.#requireOpen();
    await this.backend.finish();
  }

  /** Closes the backend; the device cannot be used afterwards. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.backend.close();
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new Error('this device was closed: open another one, and make its tensors there');
  }
}

function requireIntegers(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++)
    if (values[i]! >> 0 !== values[i])
      throw new Error(`${values[i]} at place ${i} is no whole number from -2^31 to 2^31 - 1, as i32 holds them`);
}
