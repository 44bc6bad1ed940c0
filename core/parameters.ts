/**
 * Parameters of a model: named views into one flat buffer, sorted by group, so that the optimiser treats all of them
 * in a few launches and a checkpoint is one transfer. For mixed precision, some groups have a copy in f16 beside the
 * f32 weights.
 */
import type { DType } from '../kernels/index.js';
import type { Device } from './device.js';
import { assign } from './primitives.js';
import type { Random } from './random.js';
import { contiguousStrides, sizeOf } from './shape.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

/** A parameter: its name, shape, group and initial values. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Parameters of a group share learning rate and weight decay. */
  readonly group: string;
  /** Initial values: a constant, or normal with this standard deviation. */
  readonly init: { readonly constant: number } | { readonly normal: number };
  /**
   * For the weight matrices that Muon updates: how many matrices, side by side, this one is made of. Left out: AdamW's.
   */
  readonly muonParts?: number;
}

/** Where a parameter or a group lies in the flat buffer, in elements. */
export interface ParameterRange {
  /** Elements in the flat buffer. */
  readonly offset: number;
  readonly length: number;
}

/** How parameters are stored. */
export interface ParametersOptions {
  /** Of the weights: f32 (default), or f64 for gradient checks. */
  readonly dtype?: DType;
  /** False for frozen weights. Default true. */
  readonly trainable?: boolean;
  /**
   * Groups that are operands of matrix products in f16: `get` gives a copy in f16 of them, which is refreshed
   * whenever the weights change (by AdamW in the same launch). The weights themselves stay f32, and so do gradients.
   * Default: none.
   */
  readonly halfGroups?: readonly string[];
}

/**
 * Views begin on multiples of 256 bytes, the alignment of a WebGPU binding: so many elements of f32, or of f16 if
 * there are copies.
 */
const alignment = { f32: 64, f16: 128 };

/** Named f32 views into one flat buffer, in groups that lie side by side. */
export class Parameters {
  readonly device: Device;
  readonly specs: readonly ParameterSpec[];
  /** All values, [total]; padding between parameters is zero. */
  readonly flat: Tensor;
  /** Where each group lies in `flat`. */
  readonly groups: ReadonlyMap<string, ParameterRange>;
  readonly ranges: ReadonlyMap<string, ParameterRange>;
  /** The f16 copies of whole groups, as long as their ranges. */
  readonly halves: ReadonlyMap<string, Tensor>;
  readonly #tensors = new Map<string, Tensor>();

  /** All zero until `initialize`, `load` or `write`. @throws Error for names that occur twice or groups that do not */
  constructor(
    device: Device,
    specs: readonly ParameterSpec[],
    { dtype = 'f32', trainable = true, halfGroups = [] }: ParametersOptions = {},
  ) {
    const step = alignment[halfGroups.length > 0 ? 'f16' : 'f32'];
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
      end += Math.ceil(length / step) * step;
      groups.set(group, { offset: groupStart, length: end - groupStart });
    }
    this.device = device;
    this.specs = sorted;
    this.ranges = ranges;
    this.groups = groups;
    this.flat = device.keep(device.zeros([end], { dtype }));
    const halves = new Map<string, Tensor>();
    for (const group of halfGroups) {
      const range = groups.get(group);
      if (!range) throw new Error(`no group ${group} to keep in f16; there are ${groupOrder.join(', ')}`);
      halves.set(group, device.keep(device.zeros([range.length], { dtype: 'f16' })));
    }
    this.halves = halves;
    for (const { name, shape, group } of sorted) {
      const half = halves.get(group);
      const { offset } = ranges.get(name)!;
      const view = half
        ? half.view(shape, contiguousStrides(shape), offset - groups.get(group)!.offset)
        : this.flat.view(shape, contiguousStrides(shape), offset);
      this.#tensors.set(name, trainable ? view.trainable() : view);
    }
  }

  /** Number of trained values, padding not counted. */
  get count(): number {
    return this.specs.reduce((total, { shape }) => total + sizeOf(shape), 0);
  }

  /** Bytes on the device, copies included. */
  get bytes(): number {
    return [this.flat, ...this.halves.values()].reduce((total, { storage }) => total + storage.bytes, 0);
  }

  /** What to compute with: the weights, or their copy in f16. @throws Error that lists the names there are. */
  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new Error(`no parameter ${name}; there are ${[...this.#tensors.keys()].join(', ')}`);
    return tensor;
  }

  /** Names and tensors, in the order of the specification. */
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
    this.write(Float32Array.from(values));
  }

  /** Overwrites all values, as they lie in `flat`. */
  write(values: ArrayLike<number>): void {
    this.device.write(this.flat, values);
    this.refresh();
  }

  /** Brings the f16 copies up to date, after anything but AdamW has written to `flat`. */
  refresh(): void {
    for (const group of this.halves.keys()) this.refreshGroup(group);
  }

  /** The same for one group, if it has a copy. */
  refreshGroup(group: string): void {
    const half = this.halves.get(group);
    if (!half) return;
    const { offset, length } = this.groups.get(group)!;
    assign(half, this.flat.view([length], [1], offset));
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
    this.write(this.flat.dtype === 'f32' ? Float32Array.from(all) : all);
  }

  /** A copy of all values, by name. */
  async save(): Promise<Map<string, Float32Array>> {
    const all = await this.flat.read();
    const out = new Map<string, Float32Array>();
    for (const [name, { offset, length }] of this.ranges)
      out.set(name, Float32Array.from(all.subarray(offset, offset + length)));
    return out;
  }

  /** Clears the gradients that `backward` left at the parameters. */
  clearGradients(): void {
    for (const tensor of this.#tensors.values()) tensor.grad = undefined;
  }

  /** Frees the weights. */
  dispose(): void {
    for (const tensor of [this.flat, ...this.halves.values()]) this.device.free(tensor);
  }
}
