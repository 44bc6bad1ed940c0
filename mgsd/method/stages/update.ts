/** What a stage does with a loss: its gradient and one step of the optimiser, recorded and replayed where that is faster. */
import { Recorder } from '../../../core/index.js';
import type { AdamW, Device, Tensor } from '../../../core/index.js';
import type { LossTerm } from './loss-term.js';
import { readStepMetrics } from './stage.js';
import type { Metrics } from './stage.js';

/**
 * Where steps are replayed unless told otherwise: on webgpu, where an eager launch costs more than most kernels do, and on wasm,
 * where it gains a few percent (bench/replay.ts). On cpu it would gain nothing: that is the device to read and debug on.
 */
export function replaysByDefault(device: Device): boolean {
  return device.capabilities.backend !== 'cpu';
}

/** The updates of a stage. */
export class Updates {
  readonly recorder: Recorder;
  readonly #optimizer: AdamW;

  /** @param replay default: see `replaysByDefault` */
  constructor(optimizer: AdamW, replay?: boolean) {
    const { device } = optimizer.parameters;
    this.recorder = new Recorder(device, { enabled: replay ?? replaysByDefault(device) });
    this.#optimizer = optimizer;
  }

  /** True if batches are to be padded to buckets: nearly equal ones then share a recording. */
  get inBuckets(): boolean {
    return this.recorder.enabled;
  }

  /**
   * One update with these learning rates by parameter group. Call it in a scope: what the term computes is read before the next update.
   * @param after more launches at the end of the update
   */
  step<R extends { readonly loss: Tensor }>(
    term: LossTerm<R>,
    rates: Readonly<Record<string, number>>,
    after: () => void = () => undefined,
  ): R {
    const optimizer = this.#optimizer;
    const groups = optimizer.setRates(rates);
    return this.recorder.run(`${groups}: ${term.key}`, term.inputs, inputs => {
      const result = term.compute(inputs);
      optimizer.backward(result.loss);
      optimizer.update();
      after();
      return result;
    });
  }

  /** `step`, and what a stage reports of it. */
  stepMetrics(term: LossTerm, rates: Readonly<Record<string, number>>): Promise<Metrics> {
    return this.recorder.device.scope(() => readStepMetrics(this.step(term, rates).loss, this.#optimizer));
  }

  /** Frees what recordings hold. */
  dispose(): void {
    this.recorder.dispose();
  }
}
