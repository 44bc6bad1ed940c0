/**
 * Finds where NaN and infinities come from: runs a computation again and checks every result of every launch. The
 * check runs on the device (three small launches and one number per result), so nothing large is copied to the host.
 */
import {
  broadcastKernels,
  ceilDivide,
  scatterRowsKernel,
  stridedWriteKernel,
  sumSquaresKernel,
} from '../kernels/index.js';
import type { DType, Kernel, NumberArray } from '../kernels/index.js';
import type { Device } from './device.js';
import { wideDType } from './primitives.js';
import type { Shape } from './shape.js';
import { runningOp } from './tape.js';
import type { Tensor } from './tensor.js';

/** The first result that was not finite. */
export interface NonFinite {
  /** Name of the op that made it, or `gradient of` one. */
  readonly op: string;
  /** Kernel that wrote it, and the name of its buffer. */
  readonly kernel: string;
  readonly buffer: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Tensors that the launch read; those that were made by launches before were finite. */
  readonly inputs: readonly { readonly name: string; readonly tensor: Tensor }[];
}

interface Look extends NonFinite {
  /** Where its flag lies. */
  readonly block: Tensor;
  readonly at: number;
}

/** Elements from one flag to the next: bindings of WebGPU begin at multiples of 256 bytes. */
const flagStride = 64;
const flagsPerBlock = 1024;
const chunk = 4096;
/** After this factor finite values, their squares, sums of those and squares of the sums do not overflow. */
const scale = { f32: 1e-36, f64: 1e-300 } as const;

/**
 * These write a part of a tensor whose other parts may be uninitialised; what they copy has been checked.
 */
const partialCopies: ReadonlySet<string> = new Set([scatterRowsKernel.name, stridedWriteKernel.name]);

/** Whether all numbers are finite. */
export function allFinite(values: NumberArray): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/**
 * Runs `body` and finds the first launch that wrote a number which is not finite, `body`'s own asynchronous parts
 * included.
 * @returns undefined if all results were finite; and what `body` returned
 */
export async function firstNonFinite<T>(
  device: Device,
  body: () => Promise<T>,
): Promise<{ readonly found: NonFinite | undefined; readonly result: T }> {
  const flags = new Flags(device);
  const before = device.resultObserver;
  device.resultObserver = function observe(kernel, tensors) {
    device.resultObserver = undefined; // looking launches kernels too
    flags.look(kernel, tensors);
    device.resultObserver = observe;
  };
  try {
    const result = await body();
    device.resultObserver = before;
    return { found: await flags.first(), result };
  } finally {
    device.resultObserver = before;
    flags.dispose();
  }
}

/** A number per result, on the device: finite if the result is. */
class Flags {
  readonly #device: Device;
  readonly #looks: Look[] = [];
  /** Blocks of flags and factors, by what they are. */
  readonly #kept = new Map<string, Tensor>();

  constructor(device: Device) {
    this.#device = device;
  }

  look(kernel: Kernel, tensors: Readonly<Record<string, Tensor>>): void {
    if (partialCopies.has(kernel.name)) return;
    const buffers = Object.entries(kernel.buffers);
    const inputs = buffers.flatMap(([name, { access }]) =>
      access === 'write' ? [] : [{ name, tensor: tensors[name]! }],
    );
    for (const [buffer, { access, kind }] of buffers) {
      const tensor = tensors[buffer]!;
      // A cache fills step by step, and the rest of it is uninitialised.
      if (access === 'read' || kind === 'index' || tensor.size === 0 || buffer === 'cache') continue;
      const { shape, dtype } = tensor;
      const number = this.#looks.length;
      const at = (number % flagsPerBlock) * flagStride;
      const block = this.#keep(`flags ${wideDType(tensor)} ${Math.floor(number / flagsPerBlock)}`, () =>
        this.#device.empty([flagsPerBlock * flagStride], wideDType(tensor), 'flags'),
      );
      this.#looks.push({ op: runningOp(), kernel: kernel.name, buffer, shape, dtype, inputs, block, at });
      this.#sum(tensor, block.view([1], [1], at));
    }
  }

  /** flag = sum over the tensor of (value * scale)^2, in two passes: NaN or infinite if any value is. */
  #sum(x: Tensor, flag: Tensor): void {
    const { device, size } = x;
    const dtype = wideDType(x);
    const factor = this.#keep(`factor ${dtype}`, () => device.tensor([scale[dtype]], [1], { dtype }));
    device.scope(() => {
      const scaled = device.empty([size], dtype, 'flags');
      const partial = device.empty([ceilDivide(size, chunk)], dtype, 'flags');
      const strides = { a0: 0, a1: 0, a2: 0, a3: 1, b0: 0, b1: 0, b2: 0, b3: 0 };
      device.launch(
        broadcastKernels.mul,
        { a: x, b: factor, y: scaled },
        { d0: 1, d1: 1, d2: 1, d3: size, ...strides },
      );
      device.launch(sumSquaresKernel, { x: scaled, partial }, { n: size, chunk });
      device.launch(sumSquaresKernel, { x: partial, partial: flag }, { n: partial.size, chunk: partial.size });
    });
  }

  #keep(name: string, make: () => Tensor): Tensor {
    const known = this.#kept.get(name);
    if (known) return known;
    const made = this.#device.keep(make());
    this.#kept.set(name, made);
    return made;
  }

  async first(): Promise<NonFinite | undefined> {
    const flags = new Map<Tensor, NumberArray>();
    for (const block of new Set(this.#looks.map(look => look.block))) flags.set(block, await block.read());
    return this.#looks.find(({ block, at }) => !Number.isFinite(flags.get(block)![at]));
  }

  dispose(): void {
    for (const tensor of this.#kept.values()) this.#device.free(tensor);
  }
}
