/**
 * What a step did, launch by launch: a recording is made from it. While a step runs eagerly, the device reports every
 * tensor it makes, every value the host writes and every kernel it launches.
 */
import type { DType, Kernel } from '../../kernels/index.js';
import type { Operand } from '../backend.js';
import type { Storage, StepObserver, NamedTensors } from '../device.js';
import { formatShape } from '../shape.js';
import type { Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';

/** Memory as the step sees it; where it lies is decided later. */
export interface TracedBuffer {
  readonly id: number;
  readonly bytes: number;
  /** The op that asked for it. */
  readonly label: string;
  /**
   * `input`: written by the host before every step. `constant`: written by the host within the step, always the same.
   * `output`: part of the step's result. `outside`: made before the step (parameters, optimiser state). `temporary`:
   * the rest.
   */
  role: 'input' | 'constant' | 'output' | 'outside' | 'temporary';
  /** Of `constant`: what the host wrote, from which byte on. */
  contents?: { readonly byteOffset: number; readonly data: Uint8Array };
  /** Of `outside`. */
  readonly storage?: Storage;
  /** First and last launch that touch it; -1 if none does. */
  firstUse: number;
  lastUse: number;
  /** True if a kernel writes it. */
  written: boolean;
}

export interface TracedOperand {
  readonly buffer: TracedBuffer;
  readonly dtype: DType;
  readonly byteOffset: number;
  readonly length: number;
  readonly shape: Shape;
}

export interface TracedLaunch {
  readonly kernel: Kernel;
  readonly operands: readonly TracedOperand[];
  readonly params: readonly number[];
}

export class Trace implements StepObserver {
  readonly buffers: TracedBuffer[] = [];
  readonly launches: TracedLaunch[] = [];
  /** Storages that the step made, to see which outlive it. */
  readonly made: Storage[] = [];
  /** Why the step cannot be replayed; undefined if it can. */
  problem: string | undefined;
  readonly #bufferOf = new Map<Storage, TracedBuffer>();

  allocated(storage: Storage): void {
    this.made.push(storage);
    this.#add(storage, 'temporary');
  }

  wrote({ storage, shape }: Tensor, byteOffset: number, data: ArrayBufferView): void {
    const buffer = this.#bufferOf.get(storage);
    if (!buffer || buffer.role === 'outside')
      this.problem ??=
        `the host writes into a tensor ${formatShape(shape)} (made by ${storage.label}) that was made outside of it: write it ` +
        'before the step';
    else if (buffer.firstUse >= 0 || buffer.contents)
      this.problem ??= `the host writes twice into one tensor ${formatShape(shape)}, or after a kernel has used it: make a new tensor instead`;
    else {
      buffer.role = 'constant';
      const copy = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      buffer.contents = { byteOffset, data: copy };
    }
  }

  launched(kernel: Kernel, tensors: NamedTensors, operands: readonly Operand[], params: readonly number[]): void {
    const at = this.launches.length;
    const buffers = Object.entries(kernel.buffers);
    const traced = operands.map(({ dtype, byteOffset, length }, i): TracedOperand => {
      const [name, { access }] = buffers[i]!;
      const { storage, shape } = tensors[name]!;
      const buffer = this.#bufferOf.get(storage) ?? this.#add(storage, 'outside');
      if (buffer.firstUse < 0) buffer.firstUse = at;
      buffer.lastUse = at;
      if (access !== 'read') buffer.written = true;
      return { buffer, dtype, byteOffset, length, shape };
    });
    this.launches.push({ kernel, operands: traced, params: [...params] });
  }

  readBack({ storage, shape }: Tensor): void {
    this.problem ??=
      `it reads a tensor ${formatShape(shape)} (made by ${storage.label}) back to the host: return the tensor from the step and ` +
      'read it afterwards';
  }

  /** The buffer behind a storage; undefined if the step never touched it. */
  bufferOf(storage: Storage): TracedBuffer | undefined {
    return this.#bufferOf.get(storage);
  }

  #add(storage: Storage, role: TracedBuffer['role']): TracedBuffer {
    const buffer: TracedBuffer = {
      ...{ id: this.buffers.length, bytes: storage.bytes, label: storage.label, role },
      ...(role === 'outside' && { storage }),
      ...{ firstUse: -1, lastUse: -1, written: false },
    };
    this.buffers.push(buffer);
    this.#bufferOf.set(storage, buffer);
    return buffer;
  }
}

export interface TraceDifference {
  /** True if only values differ, in the same launches: a number that changes was left in the step. */
  readonly valuesOnly: boolean;
  /** The first difference, in words. */
  readonly text: string;
}

/**
 * The first difference between two traces of what should be the same step; undefined if one can stand for the other.
 */
export function compareTraces(a: Trace, b: Trace): TraceDifference | undefined {
  const structure = (text: string): TraceDifference => ({ valuesOnly: false, text });
  if (a.launches.length !== b.launches.length)
    return structure(`one step launched ${a.launches.length} kernels, the next ${b.launches.length}`);
  for (const [i, left] of a.launches.entries()) {
    const right = b.launches[i]!;
    if (left.kernel !== right.kernel) return structure(`launch ${i} is ${left.kernel.name}, then ${right.kernel.name}`);
    const names = Object.keys(left.kernel.params);
    const changed = names.findIndex((_, k) => left.params[k] !== right.params[k]);
    if (changed >= 0)
      return structure(
        `${names[changed]!} of launch ${i} (${left.kernel.name}) is ${left.params[changed]!}, then ${right.params[changed]!}`,
      );
    const other = left.operands.findIndex((operand, k) => !sameOperand(operand, right.operands[k]!));
    if (other >= 0)
      return structure(
        `operand ${Object.keys(left.kernel.buffers)[other]!} of launch ${i} (${left.kernel.name}) is another tensor in the next step ` +
          `(made by ${left.operands[other]!.buffer.label}); what is made anew for every step goes in through the inputs`,
      );
  }
  for (const [i, { contents, label }] of a.buffers.entries()) {
    const now = b.buffers[i]?.contents;
    if (contents && a.buffers[i]!.role !== 'input' && (!now || !sameBytes(contents.data, now.data)))
      return {
        valuesOnly: true,
        text: `the host writes other values into a tensor made by ${label} than the step before`,
      };
  }
  return undefined;
}

function sameOperand(a: TracedOperand, b: TracedOperand): boolean {
  return (
    a.buffer.id === b.buffer.id &&
    a.buffer.bytes === b.buffer.bytes &&
    a.buffer.role === b.buffer.role &&
    a.buffer.storage === b.buffer.storage &&
    a.dtype === b.dtype &&
    a.byteOffset === b.byteOffset &&
    a.length === b.length
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
