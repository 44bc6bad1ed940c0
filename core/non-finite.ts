/**
 * Where NaN and infinities come from: a computation is done again, and every result of every launch is looked at. The looking
 * is done on the device (two small launches and one number for each result), so nothing large is copied to the host.
 */
import {
  broadcastKernels,
  bytesPerElement,
  ceilDivide,
  scatterRowsKernel,
  stridedWriteKernel,
  sumSquaresKernel,
} from '../kernels/index.js';
import type { DType, Kernel, NumberArray } from '../kernels/index.js';
import type { Allocation } from './backend.js';
import type { Device } from './device.js';
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
  /** Byte offset of its flag. */
  readonly flag: number;
}

/** Flags lie where WebGPU lets a binding begin. */
const flagBytes = 256;
const flagsPerBlock = 1024;
const chunk = 4096;
/** After this factor finite values, their squares, sums of those and squares of the sums do not overflow. */
const scale: Readonly<Record<'f32' | 'f64', number>> = { f32: 1e-36, f64: 1e-300 };
const scaleKernel = broadcastKernels.mul;

/** They copy into a part of a tensor whose other parts may not have been written yet; what is copied has been looked at. */
const partialCopies: ReadonlySet<string> = new Set([scatterRowsKernel.name, stridedWriteKernel.name]);

/** Whether all numbers are finite. */
export function allFinite(values: NumberArray): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/**
 * Runs `body` and finds the first launch that wrote a number which is not finite, `body`'s own asynchronous parts included.
 * @returns undefined if all results were finite; and what `body` returned
 */
export async function firstNonFinite<T>(
  device: Device,
  body: () => Promise<T>,
): Promise<{ readonly found: NonFinite | undefined; readonly result: T }> {
  const flags = new Flags(device);
  const before = device.resultObserver;
  device.resultObserver = (kernel, tensors) => flags.look(kernel, tensors);
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
  readonly #blocks: Allocation[] = [];
  readonly #looks: Look[] = [];
  /** One number, for each dtype that was met. */
  readonly #factors = new Map<DType, Allocation>();

  constructor(device: Device) {
    this.#device = device;
  }

  look(kernel: Kernel, tensors: Readonly<Record<string, Tensor>>): void {
    if (partialCopies.has(kernel.name)) return;
    const inputs = Object.keys(kernel.buffers).flatMap(name =>
      kernel.buffers[name]!.access === 'write' ? [] : [{ name, tensor: tensors[name]! }],
    );
    for (const [buffer, { access, kind }] of Object.entries(kernel.buffers)) {
      const tensor = tensors[buffer]!;
      // A cache is filled little by little, so there is no telling what lies in the rest of it.
      if (access === 'read' || kind === 'index' || tensor.size === 0 || buffer === 'cache') continue;
      const at = this.#looks.length;
      if (at % flagsPerBlock === 0) this.#blocks.push(this.#device.backend.allocate(flagBytes * flagsPerBlock));
      const { shape, dtype } = tensor;
      const flag = (at % flagsPerBlock) * flagBytes;
      this.#looks.push({ op: runningOp(), kernel: kernel.name, buffer, shape, dtype, inputs, flag });
      this.#sum(tensor, this.#blocks.at(-1)!, flag);
    }
  }

  /** flag = sum over the tensor of (value * scale)^2, in two passes: NaN or infinite if any value is. */
  #sum(tensor: Tensor, block: Allocation, flag: number): void {
    const { backend } = this.#device;
    const x = this.#device.operand(tensor);
    const wide: DType = tensor.dtype === 'f64' ? 'f64' : 'f32';
    const n = tensor.size;
    const chunks = ceilDivide(n, chunk);
    const factor = { allocation: this.#factor(wide), dtype: wide, byteOffset: 0, length: 1 };
    const scaled = { allocation: backend.allocate(n * bytesPerElement[wide]), dtype: wide, byteOffset: 0, length: n };
    const partial = { allocation: backend.allocate(chunks * bytesPerElement[wide]), dtype: wide, byteOffset: 0, length: chunks }; // prettier-ignore
    const launch = (kernel: unknown, operands: Parameters<typeof backend.launch>[1], params: readonly number[]) =>
      backend.launch(kernel as Kernel, operands, params);
    launch(scaleKernel, [x, factor, scaled], [1, 1, 1, n, 0, 0, 0, 1, 0, 0, 0, 0]);
    launch(sumSquaresKernel, [scaled, partial], [n, chunk]);
    const sum = { allocation: block, dtype: wide, byteOffset: flag, length: 1 };
    launch(sumSquaresKernel, [partial, sum], [chunks, chunks]);
    for (const { allocation } of [scaled, partial]) backend.free(allocation);
  }

  #factor(dtype: DType): Allocation {
    let factor = this.#factors.get(dtype);
    if (!factor) {
      factor = this.#device.backend.allocate(16);
      const values = dtype === 'f64' ? Float64Array.of(scale.f64, 0) : Float32Array.of(scale.f32, 0, 0, 0);
      this.#device.backend.write(factor, 0, values);
      this.#factors.set(dtype, factor);
    }
    return factor;
  }

  async first(): Promise<NonFinite | undefined> {
    for (const [b, block] of this.#blocks.entries()) {
      const looks = this.#looks.slice(b * flagsPerBlock, (b + 1) * flagsPerBlock);
      const bytes = new DataView(await this.#device.backend.read(block, 0, flagBytes * looks.length));
      const found = looks.find(
        ({ flag, dtype }) =>
          !Number.isFinite(dtype === 'f64' ? bytes.getFloat64(flag, true) : bytes.getFloat32(flag, true)),
      );
      if (found) return found;
    }
    return undefined;
  }

  dispose(): void {
    for (const allocation of [...this.#blocks, ...this.#factors.values()]) this.#device.backend.free(allocation);
  }
}
