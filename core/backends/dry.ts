/**
 * The dry backend: it counts and does nothing. A training step run on it asks for the same memory as on the device
 * whose capabilities it was given, so the need of a configuration is known before any memory is taken.
 */
import type { Kernel } from '../../kernels/index.js';
import type { Allocation, Backend, Capabilities, LaunchShape } from '../backend.js';

export class DryBackend implements Backend {
  readonly capabilities: Capabilities;
  /** Bytes taken now, the most so far, and the largest single allocation. */
  liveBytes = 0;
  peakBytes = 0;
  largestBytes = 0;

  /** Launches by kernel, each once by its dtypes and params. */
  readonly #launches = new Map<Kernel, Map<string, LaunchShape>>();

  /** @param capabilities of the device that is asked about; its largest buffer does not limit what may be counted */
  constructor(capabilities: Capabilities) {
    this.capabilities = { ...capabilities, maxBufferBytes: Number.MAX_SAFE_INTEGER };
  }

  allocate(bytes: number): Allocation {
    const allocation = { bytes: Math.ceil(bytes / 16) * 16 };
    this.liveBytes += allocation.bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    this.largestBytes = Math.max(this.largestBytes, allocation.bytes);
    return allocation;
  }

  hasMemory(): Promise<boolean> {
    return Promise.resolve(true);
  }

  free({ bytes }: Allocation): void {
    this.liveBytes -= bytes;
  }

  write(): void {
    // nobody will read it
  }

  /** Zeros. */
  read(_allocation: Allocation, _byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    return Promise.resolve(new ArrayBuffer(bytes));
  }

  launch(kernel: Kernel, operands: LaunchShape['operands'], params: readonly number[]): void {
    let known = this.#launches.get(kernel);
    if (!known) this.#launches.set(kernel, (known = new Map<string, LaunchShape>()));
    const key = [...operands.map(({ dtype }) => dtype), ...params].join();
    if (!known.has(key)) known.set(key, { kernel, operands: operands.map(({ dtype }) => ({ dtype })), params });
  }

  /** What a device would have to compile for all that was launched. */
  get launches(): LaunchShape[] {
    return [...this.#launches.values()].flatMap(known => [...known.values()]);
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
