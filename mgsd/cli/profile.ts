/** Where the time of a training goes, kernel by kernel. */
import { namedParams } from '../../core/backend.js';
import type { Device } from '../../core/index.js';
import { bytesPerElement } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

interface Sum {
  calls: number;
  seconds: number;
  flops: number;
  bytes: number;
}

export class Profile {
  readonly #sums = new Map<string, Sum>();
  /** Where launches return before the work is done, only their number and work are known here. */
  readonly #timed: boolean;

  /** Watches every launch of the device from now on. */
  constructor(device: Device) {
    const { backend } = device;
    this.#timed = device.capabilities.backend !== 'webgpu';
    const launch = backend.launch.bind(backend);
    backend.launch = (kernel, operands, params) => {
      const start = performance.now();
      launch(kernel, operands, params);
      this.#add(kernel, params, (performance.now() - start) / 1000);
    };
  }

  #add(kernel: Kernel, params: readonly number[], seconds: number): void {
    const sum = this.#sums.get(kernel.name) ?? { calls: 0, seconds: 0, flops: 0, bytes: 0 };
    const { flops, elements } = kernel.cost(namedParams(kernel, params));
    sum.calls++;
    sum.seconds += seconds;
    sum.flops += flops;
    sum.bytes += elements * bytesPerElement.f32;
    this.#sums.set(kernel.name, sum);
  }

  /** The kernels by their share of the time (of the work, where time is not known). */
  rows(): { kernel: string; calls: number; seconds: number | null; gigaflops: number | null; share: number }[] {
    const weight = ({ seconds, flops }: Sum) => (this.#timed ? seconds : flops);
    const total = [...this.#sums.values()].reduce((sum, row) => sum + weight(row), 0);
    return [...this.#sums]
      .sort(([, a], [, b]) => weight(b) - weight(a))
      .map(([kernel, sum]) => ({
        kernel,
        calls: sum.calls,
        seconds: this.#timed ? sum.seconds : null,
        gigaflops: this.#timed ? sum.flops / sum.seconds / 1e9 : null,
        share: total > 0 ? weight(sum) / total : 0,
      }));
  }

  table(terminal: Terminal): string {
    const rows = this.rows().map(({ kernel, calls, seconds, gigaflops, share }) => [
      kernel,
      String(calls),
      seconds?.toFixed(3) ?? '–',
      gigaflops?.toFixed(2) ?? '–',
      (100 * share).toFixed(1),
    ]);
    const what = this.#timed
      ? 'time'
      : 'work; launches of this device are asynchronous, so their time is not known here';
    return `${drawTable(terminal, ['kernel', 'calls', 'seconds', 'GFLOP/s', 'share %'], rows)}\n(share of the kernels' ${what})`;
  }
}
