/**
 * A recording: a traced step with a place in memory for every buffer, ready to run again. Buffers whose lifetimes do
 * not overlap share memory ("greedy by size", Pisarchyk & Lee 2020, arXiv 2001.03288, section 4.2), and so do the
 * recordings of one recorder, since only one of them runs at a time.
 *
 * A step's 55 copies of gradients into the optimiser's buffer are replayed like any launch. Computing gradients right
 * there instead was tried: 151 launches in place of 206 in an update of stage 0 (tiny), and 0 to 1 % less processor
 * time on wasm and on the software adapter (60 and 40 pairs). Not measured on a GPU.
 */
import { bytesPerElement } from '../../kernels/index.js';
import { namedParams } from '../backend.js';
import type { Launch, Replay } from '../backend.js';
import type { Device, Storage } from '../device.js';
import { formatShape } from '../shape.js';
import { Tensor } from '../tensor.js';
import { mapHostArrays, mapTree } from '../tree.js';
import type { Trace, TracedBuffer, TracedLaunch } from './trace.js';

/** A piece of device memory that temporaries of several recordings take turns in. */
export interface Region {
  readonly memory: Tensor;
  /** Recordings that use it. */
  users: number;
}

interface Lifetime {
  readonly bytes: number;
  readonly firstUse: number;
  readonly lastUse: number;
}

/**
 * Which region each buffer gets: the largest buffers first, each into the smallest region that holds it and is free
 * throughout its life; -1 where a new region of the buffer's size is needed, which later (smaller) buffers share as
 * region `sizes.length`, and so on.
 * @param sizes bytes of the regions there are
 */
export function assignRegions(
  buffers: readonly Lifetime[],
  sizes: readonly number[],
): { regions: number[]; made: number[] } {
  const regions = new Array<number>(buffers.length).fill(-1);
  const all = [...sizes];
  const taken: Lifetime[][] = all.map(() => []);
  const order = [...buffers.keys()].sort((a, b) => buffers[b]!.bytes - buffers[a]!.bytes || a - b);
  for (const i of order) {
    const buffer = buffers[i]!;
    let best = -1;
    for (let s = 0; s < all.length; s++) {
      if (all[s]! < buffer.bytes || (best >= 0 && all[s]! >= all[best]!)) continue;
      if (taken[s]!.every(other => other.lastUse < buffer.firstUse || other.firstUse > buffer.lastUse)) best = s;
    }
    if (best < 0) {
      best = all.length;
      all.push(buffer.bytes);
      taken.push([]);
    }
    taken[best]!.push(buffer);
    regions[i] = best;
  }
  return { regions, made: all.slice(sizes.length) };
}

/** A recorded step. */
export class Recording<O> {
  /** What a run does, in order. */
  readonly launches: readonly TracedLaunch[];
  readonly #trace: Trace;
  readonly #device: Device;
  readonly #replay: Replay;
  readonly #regions: readonly Region[];
  /** Memory of this recording alone: inputs, constants, outputs. */
  readonly #own = new Map<TracedBuffer, Storage>();
  /** In the order of the tree of inputs. */
  readonly #inputs: Tensor[] = [];
  /** Constants that a kernel writes over: restored before every run. */
  readonly #restored: readonly TracedBuffer[];
  readonly #result: O;

  /**
   * @param inputs the traced step's inputs, a tree of tensors
   * @param result what the traced step returned, with its own tensors in it
   * @param pool regions of the recordings made before; new ones are added
   */
  constructor(device: Device, trace: Trace, inputs: unknown, result: O, pool: Region[]) {
    this.#device = device;
    this.#trace = trace;
    this.launches = trace.launches;
    const used = new Set(this.launches.flatMap(({ operands }) => operands.map(({ buffer }) => buffer)));
    const temporaries = trace.buffers.filter(buffer => buffer.role === 'temporary' && used.has(buffer));
    const { regions, made } = assignRegions(
      temporaries,
      pool.map(({ memory }) => memory.storage.bytes),
    );
    for (const bytes of made) pool.push({ memory: this.#memory(bytes, 'a recorded step'), users: 0 });
    const placeOf = new Map<TracedBuffer, Storage>();
    temporaries.forEach((buffer, i) => placeOf.set(buffer, pool[regions[i]!]!.memory.storage));
    this.#regions = [...new Set(regions)].map(region => pool[region]!);
    for (const region of this.#regions) region.users++;
    for (const buffer of trace.buffers) {
      if (buffer.role === 'outside') placeOf.set(buffer, buffer.storage!);
      else if (buffer.role !== 'temporary') {
        const { storage } = this.#memory(buffer.bytes, buffer.label);
        this.#own.set(buffer, storage);
        placeOf.set(buffer, storage);
        this.#restore(buffer);
      }
    }
    this.#restored = trace.buffers.filter(({ role, contents, written }) => role !== 'input' && contents && written);
    const placed = (leaf: unknown) => {
      const buffer = leaf instanceof Tensor && trace.bufferOf(leaf.storage);
      if (!buffer || buffer.role === 'outside') return leaf;
      return new Tensor(placeOf.get(buffer)!, leaf.shape, leaf.dtype, leaf.strides, leaf.offset);
    };
    mapTree(inputs, leaf => leaf instanceof Tensor && this.#inputs.push(placed(leaf) as Tensor));
    this.#result = mapTree(result, placed) as O;
    const launches = this.launches.map(({ kernel, operands, params }): Launch => ({
      kernel,
      operands: operands.map(({ buffer, dtype, byteOffset, length }) => {
        const { allocation } = placeOf.get(buffer)!;
        return { allocation: allocation!, dtype, byteOffset, length };
      }),
      params,
    }));
    const { backend } = device;
    this.#replay = backend.prepare?.(launches) ?? {
      run() {
        for (const { kernel, operands, params } of launches) backend.launch(kernel, operands, params);
      },
      dispose() {
        // holds nothing
      },
    };
  }

  /** Bytes of the memory that it uses, shared regions included. */
  get bytes(): number {
    const shared = this.#regions.reduce((sum, { memory }) => sum + memory.storage.bytes, 0);
    return [...this.#own.values()].reduce((sum, { bytes }) => sum + bytes, shared);
  }

  /** False once outside memory that it uses has been freed: it must not run then. */
  get isValid(): boolean {
    return this.#trace.buffers.every(({ storage }) => !storage || storage.allocation !== undefined);
  }

  /** One step. The result's tensors are the same in every run: read them, or use them, before the next. */
  run(inputs: unknown): O {
    let i = 0;
    mapHostArrays(inputs, ({ values }) => this.#device.write(this.#inputs[i++]!, values));
    for (const buffer of this.#restored) this.#restore(buffer);
    this.#replay.run();
    return this.#result;
  }

  #memory(bytes: number, label: string): Tensor {
    return this.#device.keep(this.#device.empty([bytes / bytesPerElement.i32], 'i32', label));
  }

  #restore(buffer: TracedBuffer): void {
    const { contents } = buffer;
    if (!contents) return;
    this.#device.backend.write(this.#own.get(buffer)!.allocation!, contents.byteOffset, contents.data);
  }

  /** Frees its memory, and takes regions that no other recording uses out of `pool`. */
  dispose(pool: Region[]): void {
    this.#replay.dispose();
    for (const storage of this.#own.values()) this.#device.free(storage);
    for (const region of this.#regions) {
      if (--region.users > 0) continue;
      this.#device.free(region.memory);
      pool.splice(pool.indexOf(region), 1);
    }
  }
}

/** A recorded step as a table: kernel, shapes of its operands, floating-point operations and bytes of every launch. */
export function formatRecording({ launches }: Pick<Recording<unknown>, 'launches'>): string {
  const rows = launches.map(({ kernel, operands, params }) => {
    const { flops, elements } = kernel.cost(namedParams(kernel, params));
    const shapes = operands.map(({ shape, dtype }) => formatShape(shape) + (dtype === 'f32' ? '' : ` ${dtype}`));
    return {
      cells: [kernel.name, shapes.join(' '), String(flops), String(elements * bytesPerElement.f32)],
      flops,
      elements,
    };
  });
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0);
  const table = [
    ['kernel', 'operands', 'FLOP', 'bytes'],
    ...rows.map(({ cells }) => cells),
    [
      `${rows.length} launches`,
      '',
      String(sum(row => row.flops)),
      String(sum(row => row.elements * bytesPerElement.f32)),
    ],
  ];
  const widths = [0, 1, 2, 3].map(k => Math.max(...table.map(cells => cells[k]!.length)));
  return table
    .map(([kernel, shapes, flop, bytes]) =>
      [kernel!.padEnd(widths[0]!), shapes!.padEnd(widths[1]!), flop!.padStart(widths[2]!), bytes!.padStart(widths[3]!)]
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
