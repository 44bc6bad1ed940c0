/** An n-dimensional array on a device: a storage seen through shape, strides and offset, and its place in the tape. */
import { bytesPerElement, decodeElements } from '../kernels/index.js';
import type { DType, NumberArray } from '../kernels/index.js';
import type { Device, Storage } from './device.js';
import { contiguous } from './primitives.js';
import { contiguousStrides, formatShape, isContiguous, sizeOf } from './shape.js';
import type { Shape } from './shape.js';
import { backward } from './tape.js';
import type { BackwardOptions, TapeNode } from './tape.js';

/** An n-dimensional array on a device; see the head of this file. */
export class Tensor {
  readonly storage: Storage;
  readonly shape: Shape;
  readonly dtype: DType;
  /** In elements. */
  readonly strides: Shape;
  /** First element within the storage. */
  readonly offset: number;
  readonly isContiguous: boolean;
  /** A leaf whose gradient `backward` collects in `grad`. Results of ops on such tensors carry a `node` instead. */
  requiresGrad = false;
  grad: Tensor | undefined;
  /** How the tensor was computed; undefined for leaves and outside the tape. */
  node: TapeNode | undefined;

  constructor(storage: Storage, shape: Shape, dtype: DType, strides: Shape = contiguousStrides(shape), offset = 0) {
    this.storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.strides = strides;
    this.offset = offset;
    this.isContiguous = isContiguous(shape, strides);
  }

  get device(): Device {
    return this.storage.device;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Another shape, strides and offset on the same storage; not recorded in the tape (ops do that). */
  view(shape: Shape, strides: Shape = contiguousStrides(shape), offset = this.offset): Tensor {
    return new Tensor(this.storage, shape, this.dtype, strides, offset);
  }

  /** The same values without history. */
  detach(): Tensor {
    return new Tensor(this.storage, this.shape, this.dtype, this.strides, this.offset);
  }

  /** Marks a leaf as trainable and returns it. */
  trainable(): this {
    if (this.node)
      throw new Error('only a leaf can be made trainable; this tensor is the result of an op (detach() it first)');
    this.requiresGrad = true;
    return this;
  }

  /** The values, in row-major order of the shape, as soon as the device has computed them. f16 arrives as f32. */
  async read(): Promise<NumberArray> {
    const { device, dtype } = this;
    const allocation = device.allocationOf(this);
    device.trace?.readBack(this);
    if (!this.isContiguous) {
      const copy = contiguous(this);
      const values = copy.read();
      device.free(copy); // what takes its memory next is queued behind the read
      return await values;
    }
    const offset = this.offset * bytesPerElement[dtype];
    const start = Math.floor(offset / 16) * 16; // backends transfer whole words
    const end = Math.min(allocation.bytes, Math.ceil((offset + this.size * bytesPerElement[dtype]) / 16) * 16);
    const bytes = await device.backend.read(allocation, start, end - start);
    return decodeElements(bytes, dtype, offset - start, this.size);
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new Error(`item() needs a tensor with one element, this one is ${formatShape(this.shape)}`);
    return (await this.read())[0]!;
  }

  /**
   * Adds the gradient of this scalar to `grad` of every trainable leaf it depends on. The graph is freed afterwards.
   * @throws Error when called on a graph that was freed, or on a tensor that depends on no trainable leaf.
   */
  backward(options: BackwardOptions = {}): void {
    backward(this, options);
  }
}
