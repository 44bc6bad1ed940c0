/** Where the time of a training goes, kernel by kernel. */
import { namedParams } from '../../core/backend.js';
import type { Device } from '../../core/index.js';
import { bytesPerElement } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { drawTable, percent } from './results.js';
import type { Terminal } from './terminal.js';

interface Sum {
  calls: number;
  seconds: number;
  flops: number;
  bytes: number;
}

export interface ProfileRow {
  readonly kernel: string;
  readonly calls: number;
  /** Null where the device has no clock for launches. */
  readonly seconds: number | null;
  readonly gigaflops: number | null;
  /** Billions of bytes per second, from what a kernel reads and writes at least, in f32. */
  readonly gigabytes: number | null;
  /** Of the wall time; of the floating-point operations where times are not known. */
  readonly share: number;
}

export class Profile {
  readonly #sums = new Map<string, Sum>();
  readonly #device: Device;
  readonly #restore: () => void;
  readonly #start = performance.now();
  #end: number | undefined;
  /** Where times come from. */
  readonly clock: 'host' | 'device' | 'none';

  /**
   * Watches every launch of the device from now on. Steps run eagerly meanwhile, since a replay has no launches to
   * watch.
   */
  constructor(device: Device) {
    const { backend } = device;
    this.#device = device;
    const { observer } = device;
    if (backend.timeLaunches) {
      // launches return before their work is done
      const isTimed = backend.timeLaunches((kernel, params, seconds) => {
        this.#add(kernel, params, seconds);
      });
      this.clock = isTimed ? 'device' : 'none';
      device.observer = (kernel, operands, params) => {
        observer?.(kernel, operands, params);
        if (!isTimed) this.#add(kernel, params, 0);
      };
      this.#restore = () => backend.timeLaunches!(undefined);
    } else {
      this.clock = 'host';
      const launch = backend.launch.bind(backend);
      backend.launch = (kernel, operands, params) => {
        const start = performance.now();
        launch(kernel, operands, params);
        this.#add(kernel, params, (performance.now() - start) / 1000);
      };
      device.observer = observer ?? (() => undefined);
      this.#restore = () => (backend.launch = launch);
    }
  }

  /** Ends watching; call it before the device is closed. */
  async stop(): Promise<void> {
    await this.#device.finish().catch(() => undefined); // what is wrong with the device is reported elsewhere
    this.#restore();
    this.#device.observer = undefined;
    this.#end = performance.now();
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

  /** Seconds from the beginning to the end (or to now). */
  get wallSeconds(): number {
    return ((this.#end ?? performance.now()) - this.#start) / 1000;
  }

  /** The kernels by their share of the time (of the work, where time is not known). */
  rows(): ProfileRow[] {
    const isTimed = this.clock !== 'none';
    const weight = ({ seconds, flops }: Sum) => (isTimed ? seconds : flops);
    const total = isTimed ? this.wallSeconds : [...this.#sums.values()].reduce((sum, { flops }) => sum + flops, 0);
    return [...this.#sums]
      .sort(([, a], [, b]) => weight(b) - weight(a))
      .map(([kernel, sum]) => ({
        kernel,
        calls: sum.calls,
        seconds: isTimed ? sum.seconds : null,
        gigaflops: isTimed ? sum.flops / sum.seconds / 1e9 : null,
        gigabytes: isTimed ? sum.bytes / sum.seconds / 1e9 : null,
        share: total > 0 ? weight(sum) / total : 0,
      }));
  }

  table(terminal: Terminal): string {
    const rows = this.rows();
    const cells = rows.map(({ kernel, calls, seconds, gigaflops, gigabytes, share }) => [
      kernel,
      String(calls),
      seconds?.toFixed(3) ?? '–',
      gigaflops?.toFixed(2) ?? '–',
      gigabytes?.toFixed(2) ?? '–',
      percent(share),
    ]);
    const head = ['kernel', 'calls', 'seconds', 'GFLOP/s', 'GB/s', 'share %'];
    if (this.clock === 'none')
      return `${drawTable(terminal, head, cells).join('\n')}\n(share of the kernels' work: this adapter has no time stamps, and its launches are asynchronous)`;
    const inKernels = rows.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
    const rest = this.wallSeconds - inKernels;
    // on an asynchronous device host and kernels overlap
    if (rest > 0) cells.push(['(outside of kernels)', '', rest.toFixed(3), '', '', percent(rest / this.wallSeconds)]);
    const source =
      this.clock === 'device'
        ? "the adapter's time stamps, one pass per launch: launches that could overlap do not"
        : 'the time until a launch returns';
    return `${drawTable(terminal, head, cells).join('\n')}\n(share of ${this.wallSeconds.toFixed(1)} s; seconds are ${source}; steps run eagerly while they are profiled)`;
  }
}
