/** Launches captured from real steps with their operand values, to be timed and checked one by one. */
import { namedParams } from '../../core/backend.js';
import type { Operand } from '../../core/backend.js';
import type { Device } from '../../core/index.js';
import { bytesPerElement, decodeElements } from '../../kernels/index.js';
import type { DType, Kernel, NumberArray } from '../../kernels/index.js';

/** An operand: its type, and its values before the launch; undefined where the kernel only writes. */
export interface CapturedBuffer {
  readonly name: string;
  readonly dtype: DType;
  readonly length: number;
  readonly content: ArrayBuffer | undefined;
}

/** One launch, and how often launches like it occur. */
export interface Captured {
  readonly kernel: Kernel;
  readonly params: Readonly<Record<string, number>>;
  readonly buffers: readonly CapturedBuffer[];
  /** Number of occurrences, by caller. */
  readonly calls: Record<string, number>;
}

/** Params that say where, not how much: launches that differ only in these count as the same. */
const places = new Set(['offset', 'column', 'maxKeys', 'strideA', 'strideB', 's0', 's1', 's2', 's3']);

/**
 * Key of launches that are measured once: kernel, sizes and types. Copies of pieces (gradients into the flat buffer)
 * have many sizes, which are grouped by powers of two.
 */
function keyOf(kernel: Kernel, params: Readonly<Record<string, number>>, operands: readonly Operand[]): string {
  const isPiece = kernel.name.startsWith('strided_');
  const size = (n: number) => (isPiece ? 2 ** Math.ceil(Math.log2(n)) : n);
  const sizes = Object.entries(params).flatMap(([name, value]) => (places.has(name) ? [] : [size(value)]));
  return `${kernel.name} ${sizes.join()} ${operands.map(({ dtype }) => dtype).join()}`;
}

/** Launches by kernel, sizes and types. */
export class Captures {
  readonly #launches = new Map<string, Captured>();

  /** In the order of their first occurrence. */
  get launches(): readonly Captured[] {
    return [...this.#launches.values()];
  }

  /** Runs `body` and keeps what it launches under the name of `source`. Recorded steps run eagerly meanwhile. */
  async watch(device: Device, source: string, body: () => Promise<unknown>): Promise<void> {
    const pending: Promise<void>[] = [];
    device.observer = (kernel, operands, params) => {
      const named = namedParams(kernel, params);
      const key = keyOf(kernel, named, operands);
      const known = this.#launches.get(key);
      if (known) {
        known.calls[source] = (known.calls[source] ?? 0) + 1;
        return;
      }
      const buffers: CapturedBuffer[] = [];
      this.#launches.set(key, { kernel, params: named, buffers, calls: { [source]: 1 } });
      pending.push(
        Promise.all(operands.map((operand, i) => contentOf(device, kernel, operand, i))).then(all => {
          buffers.push(...all);
        }),
      );
    };
    try {
      await body();
    } finally {
      device.observer = undefined;
    }
    await Promise.all(pending);
  }
}

/** The read is ordered before the launch, so later changes do not matter. */
async function contentOf(
  { backend }: Device,
  kernel: Kernel,
  { allocation, dtype, byteOffset, length }: Operand,
  position: number,
): Promise<CapturedBuffer> {
  const [name, { access }] = Object.entries(kernel.buffers)[position]!;
  const bytes = Math.min(Math.ceil((length * bytesPerElement[dtype]) / 16) * 16, allocation.bytes - byteOffset);
  const content = access === 'write' ? undefined : await backend.read(allocation, byteOffset, bytes);
  return { name, dtype, length, content };
}

/** A captured launch with its own memory on a device. */
export class Loaded {
  readonly launch: () => void;
  readonly #device: Device;
  readonly #captured: Captured;
  readonly #operands: readonly Operand[];

  constructor(device: Device, captured: Captured) {
    const { kernel, params, buffers } = captured;
    const { backend } = device;
    this.#device = device;
    this.#captured = captured;
    this.#operands = buffers.map(({ dtype, length }) => {
      const bytes = Math.max(16, Math.ceil((length * bytesPerElement[dtype]) / 16) * 16);
      return { allocation: backend.allocate(bytes), dtype, byteOffset: 0, length };
    });
    const values = Object.keys(kernel.params).map(name => params[name]!);
    this.launch = () => {
      backend.launch(kernel, this.#operands, values);
    };
    this.restore(() => true);
  }

  /** True if the kernel counts or marks sequences as ended: repeated launches do less work unless it is reset. */
  get consumesItsState(): boolean {
    return Object.values(this.#captured.kernel.buffers).some(
      ({ access, kind }) => access === 'update' && kind === 'index',
    );
  }

  /** Restores operand values: those the kernel changes, or the given ones. */
  restore(which: (access: string) => boolean = access => access === 'update'): void {
    const specs = Object.values(this.#captured.kernel.buffers);
    this.#captured.buffers.forEach(({ content }, i) => {
      if (content && which(specs[i]!.access))
        this.#device.backend.write(this.#operands[i]!.allocation, 0, new Uint8Array(content));
    });
  }

  /**
   * Largest difference from the reference in f64 after one launch, relative to the largest number in the buffer; for
   * integers (tokens that were drawn) the share that differs.
   */
  async error(): Promise<number> {
    const { kernel, params, buffers } = this.#captured;
    const expected: Record<string, Float64Array | Int32Array> = {};
    for (const { name, dtype, length, content } of buffers) {
      const values = content && decodeElements(content, dtype, 0, length);
      if (dtype === 'i32') expected[name] = values instanceof Int32Array ? values : new Int32Array(length);
      else expected[name] = values ? Float64Array.from(values) : new Float64Array(length);
    }
    this.restore();
    this.launch();
    const specs = Object.values(kernel.buffers);
    const written = buffers.flatMap((buffer, i) =>
      specs[i]!.access === 'read' ? [] : [[buffer, this.#operands[i]!] as const],
    );
    const reads = written.map(([, { allocation }]) => this.#device.backend.read(allocation, 0, allocation.bytes));
    kernel.reference(expected, params);
    let worst = 0;
    for (const [i, [{ name, dtype, length }]] of written.entries()) {
      const got = decodeElements(await reads[i]!, dtype, 0, length);
      worst = Math.max(
        worst,
        dtype === 'i32' ? shareOfDifferent(got, expected[name]!) : relative(got, expected[name]!),
      );
    }
    return worst;
  }

  /** The bytes of one buffer after a launch. */
  async run(name: string): Promise<ArrayBuffer> {
    const position = this.#captured.buffers.findIndex(buffer => buffer.name === name);
    const { allocation } = this.#operands[position]!;
    this.launch();
    return await this.#device.backend.read(allocation, 0, allocation.bytes);
  }

  free(): void {
    for (const { allocation } of this.#operands) this.#device.backend.free(allocation);
  }
}

function shareOfDifferent(got: NumberArray, expected: NumberArray): number {
  let different = 0;
  for (let i = 0; i < got.length; i++) if (got[i] !== expected[i]) different++;
  return different / got.length;
}

function relative(got: NumberArray, expected: NumberArray): number {
  let [worst, largest] = [0, 2 ** -20];
  for (let i = 0; i < got.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(got[i]! - expected[i]!);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst / largest;
}
