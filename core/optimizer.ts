/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with clipping by global norm over the flat buffers of
 * `Parameters`. Every number that changes is read from device memory; a step whose gradient is not finite leaves
 * everything as it was.
 */
import {
  adamwCopyKernel,
  adamwKernel,
  ceilDivide,
  hyperFields,
  optimizerPrepareKernel,
  stateFields,
  sumSquaresKernel,
} from '../kernels/index.js';
import type { Device } from './device.js';
import type { ParameterRange, Parameters, ParameterSpec } from './parameters.js';
import { assign } from './primitives.js';
import type { BackwardOptions } from './tape.js';
import type { Tensor } from './tensor.js';

/**
 * Dynamic loss scaling, on the device alone: gradients are multiplied by a power of two so that they do not vanish in
 * f16, and divided by it in the update. See kernels/optimizer.
 */
export interface LossScaling {
  /** Default 2^15. */
  readonly initial?: number;
  /**
   * Updates without overflow after which the scale doubles; 0 for never (it is halved after an overflow all the same).
   * Default 1000.
   */
  readonly growthInterval?: number;
  /** Default 2^24. */
  readonly maximum?: number;
}

const scalingDefaults: Required<LossScaling> = { initial: 2 ** 15, growthInterval: 1000, maximum: 2 ** 24 };

/** Numbers of the optimiser; learning rates are given to `step`. */
export interface AdamWOptions {
  /** Decay rates of the first and second moment. Default 0.9 and 0.98. */
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled: a share of the value per unit of learning rate. */
  readonly weightDecay?: number;
  /** Gradients are scaled down to this global norm; 0 switches clipping off. */
  readonly maxNorm?: number;
  /** Groups that weight decay leaves alone (biases, gains, embeddings). */
  readonly noDecay?: readonly string[];
  /** Default: on for parameters with copies in f16, which need it, and off for others. */
  readonly lossScaling?: LossScaling | false;
}

/** The state of an optimiser, as f32: see `save`. */
export interface OptimizerState {
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly state: Float32Array;
}

export function requireNumbers(
  what: string,
  numbers: Readonly<Record<string, number>>,
  [least, most]: [number, number],
): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(value >= least && value <= most))
      throw new Error(`${what}: ${name} is ${value}; it must be a number from ${least} to ${most}`);
}

/** Parameters of a group that lie side by side in `flat`, and where their second moments lie. */
interface Run extends ParameterRange {
  readonly group: string;
  readonly offsetOfV: number;
}

function runsOf({ flat, specs, ranges }: Parameters, takes: (spec: ParameterSpec) => boolean): readonly Run[] {
  const runs: Run[] = [];
  let offsetOfV = 0;
  specs.forEach((spec, i) => {
    if (!takes(spec)) return;
    const start = (of: ParameterSpec | undefined) => (of ? ranges.get(of.name)!.offset : flat.size);
    const offset = start(spec);
    const end = start(specs[i + 1]);
    const last = runs.at(-1);
    const continues = last?.group === spec.group && last.offset + last.length === offset;
    if (continues) runs.push({ ...runs.pop()!, length: end - last.offset });
    else runs.push({ group: spec.group, offset, length: end - offset, offsetOfV });
    offsetOfV += end - offset;
  });
  return runs;
}

/** Elements whose squares one unit of work sums. */
const chunk = 4096;

/** AdamW on all parameters at once: a few launches per update, nothing read back. */
export class AdamW {
  readonly parameters: Parameters;
  readonly options: Required<Omit<AdamWOptions, 'lossScaling'>>;
  /** Undefined without loss scaling. */
  readonly lossScaling: Required<LossScaling> | undefined;
  /** Numbers of the update besides AdamW's: momentum and matrixRate. */
  protected readonly matrixNumbers: readonly number[] = [0, 0];
  protected readonly grads: Tensor;
  protected readonly m: Tensor;
  protected readonly hyper = new Map<string, Tensor>();
  readonly #runs: readonly Run[];
  readonly #v: Tensor;
  readonly #state: Tensor;
  /** Groups with a learning rate above 0. */
  #active: ReadonlySet<string> = new Set();
  /** Where gradients of their parameters lie in `grads`. */
  #places: ReadonlyMap<Tensor, Tensor> = new Map();

  /**
   * @param takes which parameters are AdamW's own; a subclass updates the others
   * @throws Error for numbers out of range and unknown groups, or if loss scaling is switched off for parameters with
   * copies in f16
   */
  constructor(
    parameters: Parameters,
    { lossScaling, ...options }: AdamWOptions = {},
    takes: (spec: ParameterSpec) => boolean = () => true,
  ) {
    const { device, flat } = parameters;
    const zeros = (size: number) => device.keep(device.zeros([size], { dtype: flat.dtype }));
    this.parameters = parameters;
    this.options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.01, maxNorm: 1, noDecay: [], ...options };
    const isHalf = parameters.halves.size > 0;
    if (lossScaling === false && isHalf)
      throw new Error(
        'AdamW: training in f16 needs loss scaling: its gradients would vanish. Leave `lossScaling: false` out',
      );
    const asked = lossScaling ?? (isHalf ? {} : false);
    this.lossScaling = asked ? { ...scalingDefaults, ...asked } : undefined;
    const { initial, growthInterval, maximum } = this.lossScaling ?? scalingDefaults;
    requireNumbers('lossScaling', { initial, maximum }, [1, 2 ** 126]);
    requireNumbers('lossScaling', { initial }, [1, maximum]);
    requireNumbers('lossScaling', { growthInterval }, [0, 2 ** 24]);
    const { beta1, beta2, epsilon, weightDecay, maxNorm, noDecay } = this.options;
    requireNumbers('AdamW', { beta1, beta2 }, [0, 1 - 2 ** -24]);
    requireNumbers('AdamW', { epsilon, weightDecay, maxNorm }, [0, 2 ** 126]);
    this.#requireGroups('noDecay', noDecay);
    this.#runs = runsOf(parameters, takes);
    this.grads = zeros(flat.size);
    this.m = zeros(flat.size);
    this.#v = zeros(this.#runs.reduce((sum, { length }) => sum + length, 0));
    this.#state = device.keep(device.tensor(this.#initialState(), [stateFields.length], { dtype: flat.dtype }));
    for (const group of parameters.groups.keys())
      this.hyper.set(group, device.keep(device.zeros([hyperFields.length], { dtype: flat.dtype })));
  }

  /**
   * What gradients are multiplied by on their way through f16: one number on the device; undefined without loss
   * scaling.
   */
  get lossScale(): Tensor | undefined {
    return this.lossScaling && this.#state.view([], [], stateFields.indexOf('lossScale'));
  }

  /** Leaves d(loss)/d(parameter), times the loss scale if there is one, at every parameter, as `step` expects. */
  backward(loss: Tensor, options: Omit<BackwardOptions, 'grad' | 'lossScale'> = {}): void {
    const { lossScale } = this;
    loss.backward({ places: this.#places, ...options, ...(lossScale && { lossScale }) });
  }

  /**
   * One update from the gradients that this optimiser's `backward` left at the parameters; clears them. Parameters
   * without a gradient get zero. @param learningRates per group; a group with 0 (or none) is frozen
   * @throws Error for an unknown group, or a rate that is negative or NaN
   */
  step(learningRates: Readonly<Record<string, number>>): void {
    this.setRates(learningRates);
    this.update();
  }

  /**
   * The host's half of `step`: writes learning rates, and all other numbers that may change, to the device. Returns
   * the names of the groups that are not frozen: they alone decide the launches of `update`.
   */
  setRates(learningRates: Readonly<Record<string, number>>): string {
    const { options, parameters } = this;
    this.#requireGroups('a learning rate', Object.keys(learningRates));
    requireNumbers('learning rate', learningRates, [0, 2 ** 126]);
    for (const [group, hyper] of this.hyper) {
      const decay = options.noDecay.includes(group) ? 0 : options.weightDecay;
      parameters.device.write(hyper, [
        learningRates[group] ?? 0,
        options.beta1,
        options.beta2,
        options.epsilon,
        decay,
        options.maxNorm,
        this.lossScaling?.growthInterval ?? 0,
        this.lossScaling?.maximum ?? 1,
        ...this.matrixNumbers,
      ]);
    }
    const active = [...parameters.groups.keys()].filter(group => (learningRates[group] ?? 0) > 0);
    for (const group of this.#active) if (!active.includes(group)) this.#clear(group);
    if (active.length !== this.#active.size || active.some(group => !this.#active.has(group))) {
      this.#active = new Set(active);
      this.#places = this.#placesOf(active);
    }
    return [...this.#active].join(' ');
  }

  #requireGroups(what: string, names: readonly string[]): void {
    const { groups } = this.parameters;
    for (const name of names)
      if (!groups.has(name))
        throw new Error(`AdamW: ${what} names group ${name}; there are ${[...groups.keys()].join(', ')}`);
  }

  /**
   * The device's half of `step`, with the rates set last: only launches, so it can be recorded.
   */
  update(): void {
    const { parameters } = this;
    const { device, flat } = parameters;
    device.scope(() => {
      this.#gatherGradients(device);
      const count = ceilDivide(flat.size, chunk);
      const partial = device.empty([count], flat.dtype, 'AdamW norm');
      device.launch(sumSquaresKernel, { x: this.grads, partial }, { n: flat.size, chunk });
      device.launch(
        optimizerPrepareKernel,
        { partial, hyper: [...this.hyper.values()][0]!, state: this.#state },
        { count },
      );
      for (const group of parameters.groups.keys()) if (this.#active.has(group)) this.updateGroup(group);
    });
    parameters.clearGradients();
  }

  /** Launches the update of a group, once the norm and all that follows from it are in `state`. */
  protected updateGroup(group: string): void {
    const { device, flat, halves, groups } = this.parameters;
    for (const { offset, length: n, offsetOfV } of this.#runs.filter(run => run.group === group)) {
      const part = (of: Tensor, from: number) => of.view([n], [1], from);
      const operands = {
        param: part(flat, offset),
        grad: part(this.grads, offset),
        m: part(this.m, offset),
        v: part(this.#v, offsetOfV),
        hyper: this.hyper.get(group)!,
        state: this.#state,
      };
      const half = halves.get(group);
      const copy = half && part(half, offset - groups.get(group)!.offset);
      if (copy) device.launch(adamwCopyKernel, { ...operands, copy }, { n });
      else device.launch(adamwKernel, operands, { n });
    }
  }

  #placesOf(groups: readonly string[]): ReadonlyMap<Tensor, Tensor> {
    const { specs, ranges } = this.parameters;
    const placeOf = ({ name, shape }: ParameterSpec) => this.grads.view(shape, undefined, ranges.get(name)!.offset);
    const own = specs.filter(({ group }) => groups.includes(group));
    return new Map(own.map(spec => [this.parameters.get(spec.name), placeOf(spec)]));
  }

  /** Copies gradients that are not there yet to their places, and zeros where there is none. Frozen ones are zero. */
  #gatherGradients(device: Device): void {
    for (const [{ grad }, place] of this.#places)
      if (grad?.storage !== place.storage) assign(place, grad ?? device.zeros(place.shape, { dtype: place.dtype }));
  }

  /** A group that is frozen from now on counts as zero in the norm. */
  #clear(group: string): void {
    const { offset, length } = this.parameters.groups.get(group)!;
    const { device } = this.parameters;
    device.write(this.grads.view([length], [1], offset), new Float32Array(length));
  }

  /**
   * One number for each of `stateFields`: step, skipped, finite, norm before clipping, ..., loss scale. Read it when
   * convenient.
   */
  get state(): Tensor {
    return this.#state;
  }

  /** Moments and state, read back as f32: m of all parameters as they lie in `flat`, v of those that AdamW updates. */
  async save(): Promise<OptimizerState> {
    const [m, v, state] = await Promise.all([this.m.read(), this.#v.read(), this.#state.read()]);
    return { m: Float32Array.from(m), v: Float32Array.from(v), state: Float32Array.from(state) };
  }

  /** Restores what `save` returned. @throws Error if it is the state of another optimiser, or of other parameters */
  load({ m, v, state }: OptimizerState): void {
    const { device } = this.parameters;
    if (m.length !== this.m.size || v.length !== this.#v.size)
      throw new Error(
        `${this.constructor.name}: the state has ${m.length} first and ${v.length} second moments, not ${this.m.size} and ` +
          `${this.#v.size}: it is that of another optimiser, or of other parameters`,
      );
    device.write(this.m, m);
    device.write(this.#v, v);
    const initial = this.#initialState();
    const restored = initial.map((value, i) => state[i] ?? value); // files of older versions have fewer fields
    for (const field of this.lossScaling ? [] : (['lossScale', 'goodSteps'] as const)) {
      const i = stateFields.indexOf(field);
      restored[i] = initial[i]!; // there is no loss scale here
    }
    device.write(this.#state, restored);
  }

  /** Frees moments and gradients. */
  dispose(): void {
    for (const tensor of [this.grads, this.m, this.#v, this.#state, ...this.hyper.values()])
      this.parameters.device.free(tensor);
  }

  #initialState(): number[] {
    const state: Record<(typeof stateFields)[number], number> = {
      step: 0,
      skipped: 0,
      finite: 1,
      norm: 0,
      clip: 1,
      beta1Power: 1,
      beta2Power: 1,
      lossScale: this.lossScaling?.initial ?? 1,
      goodSteps: 0,
    };
    return stateFields.map(field => state[field]);
  }
}
