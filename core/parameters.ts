/**
 * Parameters of a model: named views into one flat buffer, sorted by group, so that the optimiser treats all of them in a
 * few launches and a checkpoint is one transfer.
 */
import type { DType } from '../kernels/index.js';
import type { Device } from './device.js';
import type { Random } from './random.js';
import { contiguousStrides, sizeOf } from './shape.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Parameters of a group share learning rate and weight decay. */
  readonly group: string;
  /** Initial values: a constant, or normal with this standard deviation. */
  readonly init: { readonly constant: number } | { readonly normal: number };
}

export interface ParameterRange {
  /** Elements in the flat buffer. */
  readonly offset: number;
  readonly length: number;
}

/** Views begin on multiples of 64 elements: 256 bytes in f32, the alignment of a WebGPU binding. */
const alignment = 64;

export class Parameters {
  readonly device: Device;
  readonly specs: readonly ParameterSpec[];
  /** All values, [total]; padding between parameters is zero. */
  readonly flat: Tensor;
  /** Where each group lies in `flat`. */
  readonly groups: ReadonlyMap<string, ParameterRange>;
  readonly ranges: ReadonlyMap<string, ParameterRange>;
  readonly #tensors = new Map<string, Tensor>();

  /** All zero until `initialize` or `load`. @param dtype f32, or f64 for gradient checks */
  constructor(
    device: Device,
    specs: readonly ParameterSpec[],
    { dtype = 'f32', trainable = true }: { dtype?: DType; trainable?: boolean } = {},
  ) {
    const groupOrder = [...new Set(specs.map(spec => spec.group))];
    const sorted = [...specs].sort((a, b) => groupOrder.indexOf(a.group) - groupOrder.indexOf(b.group));
    const ranges = new Map<string, ParameterRange>();
    const groups = new Map<string, ParameterRange>();
    let end = 0;
    for (const { name, shape, group } of sorted) {
      if (ranges.has(name)) throw new Error(`two parameters are called ${name}`);
      const length = sizeOf(shape);
      ranges.set(name, { offset: end, length });
      const groupStart = groups.get(group)?.offset ?? end;
      end += Math.ceil(length / alignment) * alignment;
      groups.set(group, { offset: groupStart, length: end - groupStart });
    }
    this.device = device;
    this.specs = sorted;
    this.ranges = ranges;
    this.groups = groups;
    this.flat = device.keep(device.zeros([end], { dtype }));
    for (const { name, shape } of sorted) {
      const view = this.flat.view(shape, contiguousStrides(shape), ranges.get(name)!.offset);
      this.#tensors.set(name, trainable ? view.trainable() : view);
    }
  }

  /** Number of trained values, padding not counted. */
  get count(): number {
    return this.specs.reduce((total, { shape }) => total + sizeOf(shape), 0);
  }

  /** @throws Error that lists the names there are. */
  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new Error(`no parameter ${name}; there are ${[...this.#tensors.keys()].join(', ')}`);
    return tensor;
  }

  entries(): IterableIterator<[string, Tensor]> {
    return this.#tensors.entries();
  }

  /** Draws initial values in the order of the specs: the same on every backend. */
  initialize(random: Random): void {
    const values = new Float64Array(this.flat.size);
    for (const { name, init } of this.specs) {
      const { offset, length } = this.ranges.get(name)!;
      for (let i = 0; i < length; i++)
        values[offset + i] = 'constant' in init ? init.constant : init.normal * random.normal();
    }
    this.device.write(this.flat, Float32Array.from(values));
  }

  /** Overwrites named values; others keep theirs. @throws Error for an unknown name or a wrong number of values. */
  async load(values: ReadonlyMap<string, ArrayLike<number>>): Promise<void> {
    const all = Float64Array.from(await this.flat.read());
    for (const [name, from] of values) {
      const range = this.ranges.get(name);
      if (!range) throw new Error(`no parameter ${name}; there are ${[...this.ranges.keys()].join(', ')}`);
      if (from.length !== range.length)
        throw new Error(`parameter ${name} has ${range.length} values, ${from.length} were given`);
      all.set(Array.from(from), range.offset);
    }
    this.device.write(this.flat, this.flat.dtype === 'f32' ? Float32Array.from(all) : all);
  }

  /** A copy of all values, by name. */
  async save(): Promise<Map<string, Float32Array>> {
    const all = await this.flat.read();
    const out = new Map<string, Float32Array>();
    for (const [name, { offset, length }] of this.ranges)
      out.set(name, Float32Array.from(all.subarray(offset, offset + length)));
    return out;
  }

  /** Forgets gradients that `backward` has left at the parameters. */
  clearGradients(): void {
    for (const tensor of this.#tensors.values()) tensor.grad = undefined;
  }
}
