/**
 * What a stage does with a loss: its gradient and one step of the optimiser, recorded once and replayed from then on.
 * The host's half of an update, a tree of arrays, goes in; numbers come out. In between there are only launches.
 */
import { add, mul, Recorder, stateFields, sum } from '../../../core/index.js';
import type { AdamW, HostArray, NumberArray, Tensor, Tensors } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { groupRates } from './stage.js';
import type { Metrics, Rates, StageSetting } from './stage.js';
import { supervisedLoss } from './supervision.js';
import type { Auxiliary } from './supervision.js';

/** What an update computes: the scalar to minimise, and any other tensors to read. */
interface Computed {
  readonly loss: Tensor;
}

/** The values of those other tensors. */
type Values<R> = { readonly [Name in keyof Omit<R, 'loss'>]: NumberArray };

/** The updates of a stage. */
export class Updates {
  readonly recorder: Recorder;
  readonly #optimizer: AdamW;
  readonly #student: VisionLanguageModel;

  constructor({ optimizer, student, replay }: Pick<StageSetting, 'optimizer' | 'student' | 'replay'>) {
    const { device } = student;
    // replay pays on webgpu, where an eager launch costs more than most kernels, and gains a few percent on wasm
    // (bench/replay.ts); cpu is the device to read and debug on
    this.recorder = new Recorder(device, { enabled: replay ?? device.capabilities.replays });
    this.#optimizer = optimizer;
    this.#student = student;
  }

  /**
   * One update.
   * @param inputs all numbers that change from step to step
   * @param compute launches only: from the inputs, now on the device, to the loss
   * @param auxiliaries supervision whose loss is added, in this order
   * @returns loss, those of the auxiliaries by name, norm of the gradient and number of skipped updates; and what else
   * `compute` returned
   */
  step<I extends object, R extends Computed>(
    rates: Rates,
    inputs: I,
    compute: (inputs: Tensors<I>) => R,
    auxiliaries: readonly Auxiliary[] = [],
  ): { readonly metrics: Promise<Metrics>; readonly values: Promise<Values<R>> } {
    const [optimizer, student] = [this.#optimizer, this.#student];
    const key = optimizer.setRates(groupRates(rates)); // frozen groups launch nothing, so they need another recording
    const tree = {
      main: inputs,
      auxiliaries: auxiliaries.map(({ batch, weight }) => ({ batch, weight: scalarInput(weight, student) })),
    };
    return this.recorder.device.scope(() => {
      const computed = this.recorder.run(key, tree, ({ main, auxiliaries: others }) => {
        const result = compute(main);
        const beside: Tensor[] = [];
        const loss = others.reduce((total, { batch, weight }) => {
          const own = supervisedLoss(student, batch);
          beside.push(own);
          return add(total, sum(mul(own, weight)));
        }, result.loss); // ()
        optimizer.backward(loss);
        optimizer.update();
        return { result: { ...result, loss }, beside };
      });
      const losses = Object.fromEntries(auxiliaries.map(({ name }, i) => [name, computed.beside[i]!]));
      return {
        metrics: readMetrics({ loss: computed.result.loss, ...losses }, optimizer),
        values: readValues(computed.result),
      };
    });
  }

  /** Frees the recordings. */
  dispose(): void {
    this.recorder.dispose();
  }
}

/** A number for the device, of the student's type: (1). */
export function scalarInput(value: number, { dtype }: VisionLanguageModel): HostArray {
  return { values: [value], dtype };
}

// The reads are queued at once, so the tensors may be freed before their values arrive.

async function readMetrics(losses: Readonly<Record<string, Tensor>>, optimizer: AdamW): Promise<Metrics> {
  const reads = Object.values(losses).map(loss => loss.item());
  const [state, ...values] = await Promise.all([optimizer.state.read(), ...reads]);
  const field = (name: (typeof stateFields)[number]) => state[stateFields.indexOf(name)]!;
  const named = Object.fromEntries(Object.keys(losses).map((name, i) => [name, values[i]!]));
  const scale = optimizer.lossScaling && { lossScale: field('lossScale') };
  return { ...named, gradNorm: field('norm'), skipped: field('skipped'), ...scale };
}

async function readValues<R extends Computed>({ loss: _, ...computed }: R): Promise<Values<R>> {
  const read = Object.entries<Tensor>({ ...computed } as Readonly<Record<string, Tensor>>).map(
    async ([name, tensor]) => [name, await tensor.read()] as const,
  );
  return Object.fromEntries(await Promise.all(read)) as Values<R>;
}
