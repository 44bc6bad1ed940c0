/**
 * What a stage does with a loss: its gradient and one step of the optimiser, recorded once and replayed from then on.
 * The host's half of an update, a tree of arrays, goes in; numbers come out. In between there are only launches.
 */
import { add, mul, Recorder, stateFields, sum } from '../../../core/index.js';
import type { AdamW, Device, HostArray, NumberArray, Tensor, Tensors } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { groupRates } from './stage.js';
import type { Metrics, Rates, StageSetting } from './stage.js';
import { supervisedLoss } from './supervision.js';
import type { Auxiliary } from './supervision.js';

/**
 * Whether steps are replayed by default: on webgpu, where an eager launch costs more than most kernels, and on wasm,
 * where replay gains a few percent (bench/replay.ts); not on cpu, the device to read and debug on.
 */
export function replaysByDefault(device: Device): boolean {
  return device.capabilities.replays;
}

/** What an update computes: the scalar to minimise, and any other tensors to read. */
interface Computed {
  readonly loss: Tensor;
}

/** The values of those other tensors. */
type Values<R> = { readonly [Name in keyof Omit<R, 'loss'>]: NumberArray };

/** More about an update. */
export interface UpdateOptions {
  /** Supervision whose loss is added, in this order. */
  readonly auxiliaries?: readonly Auxiliary[];
  /** Launches at the end of the update. */
  readonly after?: (() => void) | undefined;
}

/** The updates of a stage. */
export class Updates {
  readonly recorder: Recorder;
  readonly #optimizer: AdamW;
  readonly #student: VisionLanguageModel;

  constructor({ optimizer, student, replay }: Pick<StageSetting, 'optimizer' | 'student' | 'replay'>) {
    const { device } = student;
    this.recorder = new Recorder(device, { enabled: replay ?? replaysByDefault(device) });
    this.#optimizer = optimizer;
    this.#student = student;
  }

  /**
   * One update.
   * @param inputs all numbers that change from step to step
   * @param compute launches only: from the inputs, now on the device, to the loss
   * @returns loss, norm of the gradient and number of skipped updates; and what else `compute` returned
   */
  step<I extends object, R extends Computed>(
    rates: Rates,
    inputs: I,
    compute: (inputs: Tensors<I>) => R,
    { auxiliaries = [], after }: UpdateOptions = {},
  ): { readonly metrics: Promise<Metrics>; readonly values: Promise<Values<R>> } {
    const [optimizer, student] = [this.#optimizer, this.#student];
    const groups = optimizer.setRates(groupRates(rates));
    const tree = {
      main: inputs,
      auxiliaries: auxiliaries.map(({ batch, weight }) => ({ batch, weight: scalarInput(weight, student) })),
    };
    return this.recorder.device.scope(() => {
      const computed = this.recorder.run(groups, tree, ({ main, auxiliaries: others }) => {
        const result = compute(main);
        const loss = others.reduce(
          (total, { batch, weight }) => add(total, sum(mul(supervisedLoss(student, batch), weight))),
          result.loss,
        ); // ()
        optimizer.backward(loss);
        optimizer.update();
        after?.();
        return { ...result, loss };
      });
      return { metrics: readMetrics(computed.loss, optimizer), values: readValues(computed) };
    });
  }

  /** Frees what recordings hold. */
  dispose(): void {
    this.recorder.dispose();
  }
}

/** A number for the device, of the student's type: (1). */
export function scalarInput(value: number, { dtype }: VisionLanguageModel): HostArray {
  return { values: [value], dtype };
}

// The reads are queued at once, so the tensors may be freed before their values arrive.

async function readMetrics(loss: Tensor, optimizer: AdamW): Promise<Metrics> {
  const [value, state] = await Promise.all([loss.item(), optimizer.state.read()]);
  const field = (name: (typeof stateFields)[number]) => state[stateFields.indexOf(name)]!;
  const scale = optimizer.lossScaling && { lossScale: field('lossScale') };
  return { loss: value, gradNorm: field('norm'), skipped: field('skipped'), ...scale };
}

async function readValues<R extends Computed>({ loss: _, ...computed }: R): Promise<Values<R>> {
  const read = Object.entries<Tensor>({ ...computed } as Readonly<Record<string, Tensor>>).map(
    async ([name, tensor]) => [name, await tensor.read()] as const,
  );
  return Object.fromEntries(await Promise.all(read)) as Values<R>;
}
